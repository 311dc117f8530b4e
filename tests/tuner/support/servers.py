"""A real MLflow server on loopback that can be frozen, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tuner.support.ports import free_ports
from tuner.tracking.server import HOST, StudyServer, serving


class Server:
    """Over one store, on one port.

    Args:
        store: URI of what it keeps.
        folder: for artifacts and its log.
    """

    def __init__(self, store: str, folder: Path) -> None:
        self.folder = folder
        port = free_ports(1)[0]
        self.uri = f"http://{HOST}:{port}"
        command = [
            sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store,
            "--artifacts-destination", str(folder / "artifacts"), "--host", HOST, "--port", str(port),
            "--workers", "1",
        ]  # fmt: skip
        self._view = StudyServer(command, self.uri, self.uri, port)
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the end of the block, or until it is killed."""
        with serving(self._view, self.folder / "server.log") as self._process:
            try:
                yield
            finally:
                self.thaw()

    def freeze(self) -> None:
        """It takes connections and says nothing."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """It answers again, first what it was asked meanwhile."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """Nobody listens any more."""
        self._send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)
