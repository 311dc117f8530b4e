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
    """Write a report on a search: one HTML file that needs no network, and its numbers as JSON.

    They are put into the study's run in MLflow too.
    """
    from tuner.report.make import write_report

    files = write_report(folder, out)
    for path in files:
        typer.echo(f"written     {path}")
    _attach(folder, files)


def _attach(folder: Path, files: tuple[Path, ...]) -> None:
    """To the study's run, where there is one; a report is worth as much without."""
    from tuner.errors import lines
    from tuner.results.study_folder import read_study_folder
    from tuner.tracking.address import STORE, tracking_uri
    from tuner.tracking.tracking import attach

    if not tracking_uri() and not (folder / STORE).is_file():
        return
    try:
        attach(folder.resolve(), read_study_folder(folder).study.experiment, files, "report")
    except Exception as error:  # noqa: BLE001 - of MLflow and of what lies below it, whatever its kind
        typer.echo(f"warning: not put into MLflow: {lines(error)[0]}", err=True)
