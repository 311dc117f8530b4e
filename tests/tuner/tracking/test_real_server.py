"""A search to a real MLflow server that freezes, dies, is not there, or comes back empty."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.tuner.controller.test_failures import failing_study
from tests.tuner.support.ports import free_ports
from tests.tuner.support.postgresql import Postgresql
from tests.tuner.support.servers import Server
from tests.tuner.support.stores import content, points
from tests.tuner.support.studies import journal, quiet
from tuner.commands.summary import exit_code
from tuner.errors import StudyError
from tuner.journal.event import Event
from tuner.journal.journal import read_events
from tuner.study.study import Study
from tuner.tracking import delivery as delivery
from tuner.tracking.address import STORE
from tuner.tracking.tracking import Tracking
from tuner.workflows.search import SearchResult, search_local

FATES = ["fine", "memory", "nan", "half", "fine"]
NAMES = (f"as_mlflow_model-{number}" for number in count())


POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.kills)


@pytest.fixture(scope="module", params=["sqlite", POSTGRESQL])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, empty_store: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder / STORE)
    store = f"sqlite:///{folder / STORE}"
    if request.param == "postgresql":
        store = request.getfixturevalue("postgresql").create("served")
    server = Server(store, folder)
    with server.running():
        yield server


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    """Short timeouts: seconds here, a minute for a user."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setattr(delivery, "_RETRY_S", (0.1, 0.2))
    return failing_study(FATES, name=next(NAMES))


def searched(study: Study, out: Path, uri: str, resume: bool = False) -> SearchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        return search_local(study, out, quiet(), resume)


def meanwhile(patch: pytest.MonkeyPatch, acts: dict[int, Callable[[], None]]) -> None:
    """Do something before the event with that number is delivered."""
    numbers, on_event = count(), Tracking.on_event

    def acting(tracking: Tracking, event: Event) -> None:
        acts.get(next(numbers), lambda: None)()
        on_event(tracking, event)

    patch.setattr(Tracking, "on_event", acting)


def replayed(study: Study, out: Path, uri: str, name: str) -> list[dict[str, Any]]:
    """Return the content of a store after the whole journal was delivered to it, under another name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        with Tracking(study.model_copy(update={"name": name}), out) as tracking:
            for event in read_events(out / "journal.jsonl"):
                tracking.on_event(event)
    return content(uri, name)


def assert_whole(rows: list[dict[str, Any]], out: Path) -> None:
    """One run per trial, each epoch once, all ended, with files."""
    assert [row["tags"].get("trial_id") for row in rows] == [None, *(f"{n:04d}" for n in range(len(FATES)))]
    assert [row["status"] for row in rows] == [
        "FINISHED",
        *("FINISHED", "FINISHED", "FAILED"),
        *["FINISHED"] * 2,
    ]
    for number, row in enumerate(rows[1:]):
        told = [e for e in journal(out) if e["event"] == "trial_reported" and e["trial"] == number]
        assert points(row, "micro_batch") == [event["epoch"] for event in told]
        assert len(set(points(row, "micro_batch"))) == len(told)
    assert rows[0]["artifacts"] == ["best.yaml", "study.yaml"]
    assert rows[2]["tags"]["retries.memory"] == "3"


def same(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    """Compare, except for the names that two experiments on one server cannot share."""
    named = ("study", "mlflow.runName", "search_id")
    plain = [
        [{**row, "tags": {k: v for k, v in row["tags"].items() if k not in named}} for row in each]
        for each in (rows, others)
    ]
    return plain[0] == plain[1]


def test_a_server_that_freezes_and_comes_back_misses_nothing(
    server: Server, study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, thaw = tmp_path / "out", threading.Timer(5, server.thaw)
    with pytest.MonkeyPatch.context() as patch:
        meanwhile(patch, {3: server.freeze, 20: thaw.start})
        outcome = searched(study, out, server.uri)
    thaw.join()
    assert exit_code(outcome) == 0
    assert capsys.readouterr().err == (
        "warning: MLflow: no answer in time; the search continues, events are delivered later\n"
    )
    rows = content(server.uri, study.name)
    assert_whole(rows, out)
    assert same(rows, replayed(study, out, server.uri, next(NAMES)))


def test_a_server_that_is_gone_until_the_end_costs_a_warning_and_the_next_session_delivers(
    server: Server, study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, empty_store: Path,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    monkeypatch.setattr(delivery, "_CLOSE_S", 1.0)
    begun = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        meanwhile(patch, {8: server.freeze})
        outcome = searched(study, out, server.uri)
    assert time.monotonic() - begun < 20
    server.thaw()
    assert exit_code(outcome) == 0
    assert (out / "best.yaml").exists()
    assert re.search(
        r"warning: MLflow: \d+ events are not delivered; they are in the journal: `fsd-tuner search \.\.\. "
        r"--resume` delivers them\n$", capsys.readouterr().err,
    )  # fmt: skip
    searched(study, out, server.uri, resume=True)
    assert capsys.readouterr().err == ""
    late = content(server.uri, study.name)
    assert_whole(late, out)

    shutil.copy(empty_store, tmp_path / STORE)
    searched(study, out, f"sqlite:///{tmp_path / STORE}", resume=True)
    new = content(f"sqlite:///{tmp_path / STORE}", study.name)
    assert_whole(new, out)
    assert new[1:] == late[1:]  # the study's own run has the last session's end besides
    assert {key: new[0][key] for key in ("status", "params", "tags", "last")} == {
        key: late[0][key] for key in ("status", "params", "tags", "last")
    }


def test_a_server_that_is_down_at_the_start_is_refused_within_seconds(study: Study, tmp_path: Path) -> None:
    uri = f"http://me:secret@127.0.0.1:{free_ports(1)[0]}"
    begun = time.monotonic()
    with pytest.raises(StudyError) as caught:
        searched(study, tmp_path / "out", uri)
    assert time.monotonic() - begun < 10
    assert str(caught.value) == (
        f"MLFLOW_TRACKING_URI={uri.replace('me:secret@', '')}: no MLflow server answers there: "
        "Connection refused; start it, or unset MLFLOW_TRACKING_URI to track in the study's folder"
    )
    assert not (tmp_path / "out" / "study.yaml").exists()


def test_a_frozen_server_is_refused_at_the_start_as_well(
    server: Server, study: Study, tmp_path: Path
) -> None:
    server.freeze()
    try:
        with pytest.raises(StudyError, match="no MLflow server answers there: no answer in time"):
            searched(study, tmp_path / "out", server.uri)
    finally:
        server.thaw()


@pytest.mark.kills
def test_a_server_that_is_killed_and_started_again_misses_nothing(
    study: Study, tmp_path: Path, empty_store: Path
) -> None:
    shutil.copy(empty_store, tmp_path / STORE)
    as_mlflow_model, out = Server(f"sqlite:///{tmp_path / STORE}", tmp_path), tmp_path / "out"
    up = threading.Event()

    def again() -> None:
        with as_mlflow_model.running():
            up.set()
            done.wait(120)

    done, restart = threading.Event(), threading.Thread(target=again)
    try:
        with pytest.MonkeyPatch.context() as patch:
            meanwhile(patch, {10: as_mlflow_model.kill, 25: restart.start, 30: lambda: up.wait(120) and None})
            with as_mlflow_model.running():
                outcome = searched(study, out, as_mlflow_model.uri)
        assert exit_code(outcome) == 0
        assert_whole(content(as_mlflow_model.uri, study.name), out)
    finally:
        done.set()
        restart.join()


@pytest.mark.parametrize("server", [POSTGRESQL], indirect=True)
def test_a_database_that_is_down_behind_its_server_is_waited_for(
    server: Server, postgresql: Postgresql, study: Study, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    start = threading.Timer(3, postgresql.start)
    with pytest.MonkeyPatch.context() as patch:
        meanwhile(patch, {8: postgresql.stop, 25: start.start})
        outcome = searched(study, out, server.uri)
    start.join()
    assert exit_code(outcome) == 0
    assert "left out" not in capsys.readouterr().err
    assert_whole(content(server.uri, study.name), out)


@pytest.mark.kills
def test_a_database_that_is_written_to_directly_may_go_and_come_back(
    postgresql: Postgresql, study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri, out = postgresql.create("direct"), tmp_path / "out"
    start = threading.Timer(3, postgresql.start)
    with pytest.MonkeyPatch.context() as patch:
        meanwhile(patch, {8: postgresql.stop, 25: start.start})
        outcome = searched(study, out, uri)
    start.join()
    assert exit_code(outcome) == 0
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) <= 2  # it closed the connection, then it refused another one
    assert all(line.endswith("; the search continues, events are delivered later") for line in warnings)
    rows = content(uri, study.name)
    assert_whole(rows, out)
    assert same(rows, replayed(study, out, uri, next(NAMES)))
    postgresql.stop()
    try:
        with pytest.raises(StudyError) as caught:
            searched(study, tmp_path / "refused", uri)
    finally:
        postgresql.start()
    assert "no database answers there" in str(caught.value)
    assert "secret" not in str(caught.value)
