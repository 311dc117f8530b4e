"""The command `report`: what came out of a search, as a page and as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a search, at any moment.")]
_Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="The HTML file; default: DIR/report.html.")
]


def report(folder: _Folder, out: _Out = None) -> None:
    """Write a report on a search: one HTML file that needs no network, and its numbers as JSON."""
    from tuner.report.make import write_report

    for path in write_report(folder, out):
        typer.echo(f"written     {path}")
