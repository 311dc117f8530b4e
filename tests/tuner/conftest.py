"""One Ray cluster for all tests of the search, on loopback, writing nothing outside temporary folders."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tuner.support.postgresql import Postgresql, missing
from tests.tuner.support.postgresql import postgresql as running
from tests.tuner.support.s3 import KEYS, Server
from tests.tuner.support.studies import DEFAULT, SPACE, quiet, toy_study
from tuner.study.study import Study
from tuner.workflows.search import SearchResult, search

os.environ.pop("RAY_ADDRESS", None)
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ |= KEYS  # before a cluster starts, whose workers inherit them

_NUMBERS = itertools.count()


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
