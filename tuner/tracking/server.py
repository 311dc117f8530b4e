"""The MLflow server of a study folder: on 127.0.0.1 only, in a process group that is ended as a whole."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tuner.errors import StudyError
from tuner.study.load import load_study

HOST = "127.0.0.1"
_START_S = 120.0  # the imports of the server take 20 to 35 s on two busy cores


@dataclass(frozen=True)
class StudyServer:
    """How to look at a study in MLflow.

    Attributes:
        command: starts the server.
        base: address of the server.
        links: title -> address of a page.
        port: of the server.
    """

    command: list[str]
    base: str
    links: dict[str, str]
    port: int


def study_server(out: Path, port: int) -> StudyServer:
    """Return command and links for a study folder, and store the view that the links open.

    Args:
        out: study folder.
        port: for the server.
    Raises:
        StudyError: the folder holds no study or no MLflow store.
    """
    from tuner.tracking.address import STORE, store_uri
    from tuner.tracking.view import links

    for name in ("study.yaml", STORE):
        if not (out / name).is_file():
            way_out = "give the --out folder of a search (with MLFLOW_TRACKING_URI, see that server)"
            raise StudyError(f"{out}: holds no {name}; {way_out}")
    study = load_study(str(out / "study.yaml"))
    base = f"http://{HOST}:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store_uri(out),
        "--artifacts-destination", str((out / "artifacts").resolve()),
        "--host", HOST, "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    return StudyServer(command, base, links(base, study, out), port)


@contextmanager
def serving(study_server: StudyServer, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the server, wait until it answers, and end it with all its children.

    Args:
        study_server: from `study_server`.
        log: file for the output of the server.
    Raises:
        StudyError: the server ended, did not answer in time, or the port is in use.
    """
    _check_port_free(study_server.port)
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with log.open("wb") as output:
        server = subprocess.Popen(
            study_server.command, env=os.environ | quiet, start_new_session=True, stdout=output, stderr=output
        )
    try:
        _wait(server, study_server.base, log)
        yield server
    finally:
        _end(server)


def _check_port_free(port: int) -> None:
    # else the answer of another server on this port would pass for ours
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise StudyError(f"--port {port}: {error.strerror}; give another port") from error


def _wait(server: subprocess.Popen[bytes], base: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise StudyError(f"the MLflow server ended while starting; see {log}")
        try:
            with urlopen(f"{base}/health", timeout=2):
                return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise StudyError(f"the MLflow server did not answer on {base} within {_START_S:g} s; see {log}")


def _end(server: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(server.pid, number)
            server.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
