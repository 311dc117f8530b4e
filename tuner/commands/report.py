"""The command `report`: the results of a search as a page and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A study folder; the search may still run.")]
_Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="The HTML file; default: DIR/report.html.")
]


def report(folder: _Folder, out: _Out = None) -> None:
    """Write a report on a search: one HTML file that needs no network, and its numbers as JSON.

    Both are also attached to the study's run in MLflow.
    """
    from tuner.report.make import write_report

    files = write_report(folder, out)
    for path in files:
        typer.echo(f"written     {path}")
    _attach(folder, files)


def _attach(folder: Path, files: tuple[Path, ...]) -> None:
    """Attach files to the study's MLflow run; print a warning where that fails."""
    from tuner.errors import lines
    from tuner.results.study_folder import read_study_folder
    from tuner.tracking.address import STORE, tracking_uri
    from tuner.tracking.tracking import attach

    if not tracking_uri() and not (folder / STORE).is_file():
        return
    try:
        attach(folder.resolve(), read_study_folder(folder).study.experiment, files, "report")
    except Exception as error:  # noqa: BLE001 - of MLflow, or of the store below it
        typer.echo(f"warning: not attached in MLflow: {lines(error)[0]}", err=True)
