"""One Ray cluster for all tests of the search, on loopback, writing nothing outside temporary folders."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.tuner.support.postgresql import Postgresql, missing
from tests.tuner.support.postgresql import postgresql as running
from tests.tuner.support.s3 import KEYS, Server
from tuner.search.search import SearchResult, search
from tuner.study.study import Study

os.environ.pop("RAY_ADDRESS", None)
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ |= KEYS  # before a cluster starts, whose workers inherit them

SPACE: dict[str, Any] = {
    "x": {"float": [0, 1]},
    "optim.rate": {"log": [1e-4, 1]},
    "width": {"int": [8, 64]},
    "cuts": {"cuts": {"positions": 3, "count": [1, 2]}},
    "kind": {"choice": ["round", "square"]},
}
_NUMBERS = itertools.count()
DEFAULT = {"x": 0.95, "optim.rate": 0.5, "width": 12, "cuts": [2, 3], "kind": "square"}


def toy_study(**changes: Any) -> Study:
    """A study over the toy trial function with some keys changed."""
    content = {
        "name": "toy",
        "trial": "tests.tuner.support.toy:run",
        "epochs": 4,
        "search": SPACE,
        "metric": {"name": "dev/loss", "mode": "min"},
        "sampler": {"name": "tpe", "seed": 1, "startup": 5},
        "scheduler": {"name": "asha", "grace_period": 1, "reduction_factor": 2},
        "trials": 4,
    }
    if changes.get("scheduler", {}).get("name") in ("pbt", "pb2"):  # their population is drawn at the start
        content["sampler"] = {"name": "random", "seed": 1}
    return Study.model_validate(content | changes)


def quiet() -> Console:
    """A console that is no terminal and prints nowhere."""
    return Console(file=io.StringIO(), width=200)


def journal(out: Path) -> list[dict[str, Any]]:
    """Every event of a search."""
    return [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]


@pytest.fixture(scope="session")
def s3() -> Iterator[Server]:
    """An S3-like server that outlives the test; one that stops it wants its own."""
    with Server() as server:
        yield server


@pytest.fixture
def bucket(s3: Server) -> str:
    """URI of a part of a new bucket."""
    return s3.bucket(f"bucket{next(_NUMBERS)}", "some/part")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An S3 client without its own attempts and their pauses."""
    monkeypatch.setattr("tuner.storage.s3._ATTEMPTS", 1)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store on sqlite that holds nothing, to be copied: to make one takes seconds."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A server of its own, where one is installed."""
    if why := missing():
        pytest.skip(why)
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    from tuner.cluster.connection import cluster

    with cluster():
        yield


@pytest.fixture(scope="session")
def searched(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study, SearchResult]:
    """A finished search on Ray with trials of every kind of end, and a bad default."""
    out = tmp_path_factory.mktemp("searched") / "out"
    space = {**SPACE, "fate": {"choice": ["fine", "side-inf", "fail", "nan"]}}
    study = toy_study(
        search=space,
        default={**DEFAULT, "fate": "side-inf"},
        trials=24,
        epochs=6,
        settings={"optim": {"rate": 0.3}},
    )
    return out, study, search(study, out, quiet())
