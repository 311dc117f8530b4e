"""The command `ui`: the MLflow UI on a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def ui(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a search.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server on 127.0.0.1.")] = 5000,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print links and command, start nothing.")
    ] = False,
) -> None:
    """Start the MLflow UI on a search and print links: its trials as charts, as a table, side by side."""
    import shlex
    import signal
    from contextlib import suppress

    from tuner.tracking.server import serving, study_server

    shown = study_server(folder, port)
    links = "\n".join(f"{title:<12}{link}" for title, link in shown.links.items())
    if only_print:
        typer.echo(f"{links}\n{shlex.join(shown.command)}")
        return
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started this in the background
        signal.signal(number, signal.default_int_handler)
    typer.echo(f"starting the MLflow server on {shown.base} ...")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # they too must end the server with its children
    with suppress(KeyboardInterrupt), serving(shown, folder / "mlflow-server.log") as server:
        typer.echo(f"{links}\nCtrl-C ends the server")
        server.wait()
