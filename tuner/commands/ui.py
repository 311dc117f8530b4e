"""The command `ui`: the MLflow UI on a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def ui(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A study folder.")],
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the links and the command, start nothing.")
    ] = False,
) -> None:
    """Start the MLflow UI on a search and print links to its trials: charts, table, side by side."""
    import shlex
    import signal
    from contextlib import suppress

    from tuner.tracking.server import serving, study_server

    server = study_server(folder, port)
    links = "\n".join(f"{title:<12}{link}" for title, link in server.links.items())
    if only_print:
        typer.echo(f"{links}\n{shlex.join(server.command)}")
        return
    # each must end the server with its children; a shell starts background jobs with SIGINT ignored
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    typer.echo(f"starting the MLflow server on {server.base} ...")
    with suppress(KeyboardInterrupt), serving(server, folder / "mlflow-server.log") as process:
        typer.echo(f"{links}\nCtrl-C ends the server")
        process.wait()
