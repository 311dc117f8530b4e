"""`fsd-tuner ui`: a real server on a finished search, its link, and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.tuner.conftest import quiet, toy_study
from tuner import cli
from tuner.study import search_local

TRIALS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ui") / "out"
    search_local(toy_study(trials=TRIALS), out, quiet())
    return out


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a user runs it, with the link it printed; ended by Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-u",
        "-c",
        "from tuner.cli import main; main()",
        "ui",
        str(folder),
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if "Ctrl-C" in line:
            break
    links = re.findall(r"http://\S+CHART", printed)
    assert links, printed
    yield process, links[0]
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def test_the_link_opens_an_experiment_whose_filter_finds_every_trial(
    served: tuple[subprocess.Popen[str], str],
) -> None:
    link = urlsplit(served[1])
    base = f"{link.scheme}://{link.netloc}"
    assert link.hostname == "127.0.0.1"
    with urlopen(f"{base}/health", timeout=10) as health:
        assert health.status == 200
    route, _, query = link.fragment.partition("?")
    experiment = route.split("/")[2]
    order = parse_qs(query)["orderByKey"][0]
    body = {
        "experiment_ids": [experiment],
        "filter": parse_qs(query)["searchFilter"][0],
        "order_by": [f"{order} ASC"],
    }
    request = Request(
        f"{base}/api/2.0/mlflow/runs/search", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urlopen(request, timeout=30) as answer:
        runs = json.load(answer)["runs"]
    values = [next(m["value"] for m in run["data"]["metrics"] if m["key"] == "dev/loss") for run in runs]
    assert len(values) == TRIALS
    assert values == sorted(values)


def test_ctrl_c_ends_the_server_with_its_children(
    served: tuple[subprocess.Popen[str], str], folder: Path
) -> None:
    process, _ = served
    servers = _serving(folder)
    assert len(servers) >= 1
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    deadline = time.monotonic() + 10
    while _serving(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _serving(folder) == []


def test_a_port_that_is_taken_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.run(["ui", str(folder), "--port", str(port)]) == 2
    assert f"error: --port {port}: Address already in use; give another port" in capsys.readouterr().err


def test_print_starts_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["ui", str(folder), "--print", "--port", "5123"]) == 0
    link, command = capsys.readouterr().out.splitlines()
    assert link.startswith("http://127.0.0.1:5123/#/experiments/")
    assert "mlflow server" in command
    assert "--host 127.0.0.1 --port 5123 --workers 1" in command


def _serving(folder: Path) -> list[int]:
    """Processes that were started on the folder's store: the server and its workers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_text() if entry.name.isdigit() else ""
            environment = (entry / "environ").read_text() if words else ""
        except OSError:
            continue
        if str(folder / "mlflow.db") in words + environment and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found
