"""The server: start, address, shutdown."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
import uvicorn

from fsd_model.detector.detector import Detector
from fsd_model.errors import InputError
from fsd_model.serving.app import build_app
from fsd_model.serving.guard import Guard
from fsd_model.serving.limits import Limits

_END_S = 10  # requests under way may take so long to finish


def serve(detector: Detector, limits: Limits, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; running requests are finished first.

    Args:
        detector: the detector.
        limits: limits of requests.
        host: address to listen on.
        port: port; 0 for a free one.
        ready: called with the address of the page once the server listens.

    Raises:
        InputError: the port is taken, or the address does not belong to this machine.
    """
    listener = _listen(host, port)
    address = f"[{host}]" if ":" in host else host
    torch.set_num_threads(1)
    with listener, ThreadPoolExecutor(limits.jobs, "score") as pool:
        guarded = Guard(build_app(detector, limits, pool), host)
        config = uvicorn.Config(
            guarded,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=_END_S,
        )
        ready(f"http://{address}:{listener.getsockname()[1]}/")
        uvicorn.Server(config).run([listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise InputError(f"--host {host} --port {port}: {error.strerror}; give another") from error
    return listener
