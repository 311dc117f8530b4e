"""`fsd-tuner ui`: a real server on a finished search, its link, and its end."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from mlflow import MlflowClient, pyfunc
from pandas import DataFrame

from tests.tuner.support.studies import quiet, toy_study
from tuner.commands import app as cli
from tuner.workflows.search import search_local

TRIALS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ui") / "out"
    search_local(toy_study(trials=TRIALS), out, quiet())
    return out


@pytest.fixture(scope="module")
def as_mlflow_model(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a user runs it, with the link to the charts; ended by Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-u",
        "-c",
        "from tuner.commands.app import main; main()",
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


def test_the_view_of_the_link_finds_every_trial_the_best_first(
    as_mlflow_model: tuple[subprocess.Popen[str], str],
) -> None:
    link = urlsplit(as_mlflow_model[1])
    base = f"{link.scheme}://{link.netloc}"
    assert link.hostname == "127.0.0.1"
    with urlopen(f"{base}/health", timeout=10) as health:
        assert health.status == 200
    route, _, query = link.fragment.partition("?")
    experiment = route.split("/")[2]
    view = _view(base, experiment, parse_qs(query)["viewStateShareKey"][0])
    assert view["orderByAsc"]
    body = {
        "experiment_ids": [experiment],
        "filter": view["searchFilter"],
        "order_by": [f"{view['orderByKey']} ASC"],
    }
    request = Request(
        f"{base}/api/2.0/mlflow/runs/search", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urlopen(request, timeout=30) as answer:
        runs = json.load(answer)["runs"]
    values = [next(m["value"] for m in run["data"]["metrics"] if m["key"] == "dev/loss") for run in runs]
    assert len(values) == TRIALS
    assert values == sorted(values)


def test_a_search_tracked_by_the_server_leaves_files_and_champion_there(
    as_mlflow_model: tuple[subprocess.Popen[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = as_mlflow_model[1].partition("/#")[0]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", base)
    study = toy_study(
        name="afar", trial="tests.tuner.support.leaving:run", epochs=1, trials=1,
        search={"x": {"float": [0, 1]}}, metric={"name": "loss", "mode": "min"}, scheduler={"name": "none"},
    )  # fmt: skip
    search_local(study, tmp_path / "out", quiet())
    client = MlflowClient(base)
    (experiment,) = client.search_experiments(filter_string="name = 'afar'")
    (run,) = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    assert {"artifacts_left_out", "champion_left_out"}.isdisjoint(run.data.tags)
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "config.json",
        "deep",
        "figure.svg",
    }
    version = client.get_model_version_by_alias("afar", "champion")
    assert version.run_id == run.info.run_id
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", base)
    model = pyfunc.load_model("models:/afar@champion")
    x = float(run.data.params["x"])
    assert model.predict(DataFrame({"a": [1.0]}))["sum"].tolist() == [1.0 + x]


def test_ctrl_c_ends_the_server_with_its_children(
    as_mlflow_model: tuple[subprocess.Popen[str], str], folder: Path
) -> None:
    process, _ = as_mlflow_model
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
    *links, command = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in links] == ["charts", "table", "compare"]
    assert all(line.split()[-1].startswith("http://127.0.0.1:5123/#/") for line in links)
    assert "mlflow server" in command
    assert "--host 127.0.0.1 --port 5123 --workers 1" in command


def _view(base: str, experiment: str, name: str) -> dict[str, Any]:
    """A view as MLflow's page unpacks it."""
    with urlopen(f"{base}/api/2.0/mlflow/experiments/get?experiment_id={experiment}", timeout=30) as answer:
        tags = {tag["key"]: tag["value"] for tag in json.load(answer)["experiment"]["tags"]}
    packed = tags[f"mlflow.sharedViewState.{name}"].removeprefix("deflate;")
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return found


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
