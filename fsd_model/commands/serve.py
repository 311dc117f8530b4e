"""`fsd-tuner serve`: a detector behind HTTP on this machine, with a page."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Annotated

import typer

from fsd_model.commands.options import AllowCodeOption, DetectorArgument

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    detector: DetectorArgument,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8000,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; there is no password, on other addresses than loopback either."
        ),
    ] = "127.0.0.1",
    max_mb: Annotated[float, typer.Option(min=0.01, max=2000, help="Largest upload, MB.")] = 20,
    max_seconds: Annotated[float, typer.Option(min=1, max=36000, help="Longest audio, s.")] = 600,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=256, help="Scored at once; default: the cores, at most 4."),
    ] = None,
    allow_code: AllowCodeOption = False,
) -> None:
    """Serve a page that scores a dropped file, and `POST /score`; Ctrl-C ends it.

    Example: fsd-tuner serve runs/la/detector --port 8000
    """
    from fsd_model.detector.detector import Detector
    from fsd_model.serving.limits import Limits
    from fsd_model.serving.server import serve as run_server

    threads = {} if jobs is None else {"jobs": jobs}
    limits = Limits(max_bytes=round(max_mb * 1e6), max_seconds=max_seconds, **threads)
    loaded = Detector.load(detector, allow_code)
    if host not in _LOOPBACK:
        typer.echo(f"warning: {host} is open to whoever reaches it: no password, no encryption", err=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started this in the background
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        run_server(loaded, limits, host, port, lambda page: typer.echo(f"serving {page}   Ctrl-C ends it"))
