"""A search with its checkpoints in S3 resumes on any machine: nothing of the first one needs to survive."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.tuner.storage.test_s3 import on_pause
from tests.tuner.storage.test_storage import content
from tests.tuner.support.s3 import Server
from tests.tuner.support.studies import DEFAULT, journal, quiet, toy_study
from tests.tuner.workflows.test_interrupt import session_members
from tuner.journal.event import Event
from tuner.journal.journal import NAME, Journal
from tuner.journal.record import State, TrialRecord
from tuner.journal.replica import JournalReplica
from tuner.storage.storage import Storage
from tuner.study.yaml_file import dump
from tuner.workflows.search import SearchResult, search, search_local

ROOT = Path(__file__).parents[3]
TRIALS = 5
STEPS = ((Journal, "on_event"), (JournalReplica, "send"), (Storage, "put"), (Storage, "write"))


class Killed(BaseException):
    """Nothing that a search does after this leaves a trace."""


class NoTracking:
    """MLflow's own tests are elsewhere."""

    def on_event(self, event: Event) -> None: ...


@contextmanager
def untracked(*args: object) -> Iterator[NoTracking]:
    yield NoTracking()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.workflows.stage._tracking", untracked)


@contextmanager
def killed_at(step: tuple[type, str], event: int) -> Iterator[None]:
    """The driver dies on its way into a method for the n-th time, and writes nothing any more."""
    calls = 0
    with pytest.MonkeyPatch.context() as patch:

        def arm(owner: type, method: str) -> None:
            real = getattr(owner, method)

            def deadly(self: object, *args: Any, **options: Any) -> Any:
                nonlocal calls
                calls += (owner, method) == step
                if calls >= event:
                    raise Killed
                return real(self, *args, **options)

            patch.setattr(owner, method, deadly)

        for owner, method in STEPS:
            arm(owner, method)
        yield


def seen(trials: list[TrialRecord]) -> list[tuple[Any, ...]]:
    """What a search found, without its clock."""
    return [(t.number, t.params, t.state, t.epoch, t.values, t.metrics, t.checkpoint) for t in trials]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.workflows.stage._tracking", untracked)
        out = tmp_path_factory.mktemp("uninterrupted") / "out"
        return search_local(toy_study(trials=TRIALS, default=DEFAULT), out, quiet())


def test_states_and_journal_are_in_the_bucket(
    quick: None, bucket: str, tmp_path: Path, uninterrupted: SearchResult
) -> None:
    outcome = search_local(
        toy_study(trials=TRIALS, default=DEFAULT, storage=bucket), tmp_path / "out", quiet()
    )
    assert seen(outcome.trials) == seen(uninterrupted.trials)
    storage = Storage(bucket)
    assert storage.names("") == ["journal", "trials"]
    for trial in outcome.trials:
        epochs = [f"{epoch:04d}" for epoch in range(max(1, trial.epoch - 1), trial.epoch + 1)]
        assert storage.names(f"trials/{trial.number:04d}") == epochs
        assert content(storage, trial.checkpoint or "")["epoch.json"] == str(trial.epoch).encode()
    copied = b"".join(storage.read(f"journal/{name}") for name in storage.names("journal"))
    assert copied == (tmp_path / "out" / NAME).read_bytes()
    assert not (tmp_path / "out" / "trials").exists()
    assert (tmp_path / "out" / "detector" / "model.json").is_file()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0].__name__}.{step[1]}")
@pytest.mark.parametrize("event", [3, 8])
def test_a_search_goes_on_where_the_machine_of_its_driver_was_lost(
    quick: None, bucket: str, tmp_path: Path, uninterrupted: SearchResult, step: tuple[type, str], event: int
) -> None:
    study = toy_study(trials=TRIALS, default=DEFAULT, storage=bucket)
    with killed_at(step, event), pytest.raises(Killed):
        search_local(study, tmp_path / "lost", quiet())
    outcome = search_local(study, tmp_path / "other machine", quiet(), resume=True)
    assert seen(outcome.trials) == seen(uninterrupted.trials)
    assert outcome.best is not None
    assert uninterrupted.best is not None
    assert outcome.best.number == uninterrupted.best.number
    _check_reports(tmp_path / "other machine")


def test_a_search_goes_on_where_its_driver_died_before_the_copy_had_its_last_event(
    quick: None, bucket: str, tmp_path: Path, uninterrupted: SearchResult
) -> None:
    study = toy_study(trials=TRIALS, default=DEFAULT, storage=bucket)
    with killed_at((JournalReplica, "send"), 8), pytest.raises(Killed):
        search_local(study, tmp_path, quiet())
    assert len(journal(tmp_path)) == 8
    assert seen(search_local(study, tmp_path, quiet(), resume=True).trials) == seen(uninterrupted.trials)
    _check_reports(tmp_path)


def _check_reports(out: Path) -> None:
    """No report is recorded twice."""
    reports = [(e["trial"], e["epoch"]) for e in journal(out) if e["event"] == "trial_reported"]
    assert len(reports) == len(set(reports))


def test_a_search_that_is_over_is_read_anywhere(
    quick: None, bucket: str, tmp_path: Path, uninterrupted: SearchResult
) -> None:
    study = toy_study(trials=TRIALS, default=DEFAULT, storage=bucket)
    search_local(study, tmp_path / "a", quiet())
    outcome = search_local(study, tmp_path / "b", quiet(), resume=True)
    assert seen(outcome.trials) == seen(uninterrupted.trials)
    assert (tmp_path / "b" / "best.yaml").is_file()
    assert all(trial.state is not State.INTERRUPTED for trial in outcome.trials)


@pytest.mark.parametrize("step", [(JournalReplica, "send"), (Storage, "put")], ids=["journal", "state"])
def test_a_search_outlasts_a_server_that_is_away_for_a_while(
    quick: None, hasty: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uninterrupted: SearchResult,
    step: tuple[type, str],
) -> None:  # fmt: skip
    """It goes before a state or an event is sent, and comes back when a state has begun to wait for it."""
    real, calls, pauses = getattr(*step), [0], [0]
    with Server() as server:

        def send(self: object, *args: Any, **options: Any) -> Any:
            calls[0] += 1
            if calls[0] == 6:
                server.stop()
            return real(self, *args, **options)

        def wait() -> None:
            pauses[0] += 1
            server.start()

        monkeypatch.setattr(*step, send)
        on_pause(monkeypatch, wait)
        study = toy_study(trials=TRIALS, default=DEFAULT, storage=server.bucket(f"away-{step[1]}", "x"))
        outcome = search_local(study, tmp_path / "out", quiet())
        assert pauses == [1]
        assert seen(outcome.trials) == seen(uninterrupted.trials)
        assert seen(search_local(study, tmp_path / "copy", quiet(), resume=True).trials) == seen(
            outcome.trials
        )


PROGRAM = """
import os, signal, sys
from pathlib import Path
import tuner.workflows.search
import tuner.workflows.stage
from tests.tuner.support.studies import quiet
from tests.tuner.workflows.test_other_machine import untracked
from tuner.journal.journal import Journal
from tuner.study.load import load_study
on_event, left = Journal.on_event, int(sys.argv[3])
def deadly(self, event):
    global left
    on_event(self, event)
    left -= event.kind.value == "trial_reported"
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
Journal.on_event = deadly
tuner.workflows.stage._tracking = untracked
tuner.workflows.search.search(load_study(sys.argv[1]), Path(sys.argv[2]), quiet(), forecast=False)
"""


@pytest.mark.slow
def test_a_search_on_ray_goes_on_where_its_whole_machine_was_lost(
    quick: None, ray_cluster: None, bucket: str, tmp_path: Path
) -> None:
    """Driver, cluster and workers of the first machine are killed at some report."""
    plain: dict[str, Any] = {"sampler": {"name": "random", "seed": 4}, "scheduler": {"name": "none"}}
    study = toy_study(trials=6, concurrency=2, storage=bucket, **plain)
    (tmp_path / "study.yaml").write_text(dump(study.to_dict()))
    report = random.randint(1, 18)
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        str(tmp_path / "study.yaml"),
        str(tmp_path / "lost"),
        str(report),
    ]
    lost = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        assert lost.wait(timeout=120) == -signal.SIGKILL
    finally:
        for pid in session_members(lost.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    outcome = search(study, tmp_path / "other machine", quiet(), resume=True)
    whole = search_local(toy_study(trials=6, **plain), tmp_path / "whole", quiet())
    assert seen(outcome.trials) == seen(whole.trials), f"killed at report {report}"
    _check_reports(tmp_path / "other machine")
