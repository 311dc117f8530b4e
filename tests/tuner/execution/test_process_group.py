"""A trial over two processes on a real Ray cluster: one set of reports, and the failure of any process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tuner.support.studies import journal, quiet, toy_study
from tuner.errors import StudyError
from tuner.journal.record import State
from tuner.study.study import Study
from tuner.workflows.search import SearchResult, search

pytestmark = [pytest.mark.usefixtures("ray_cluster"), pytest.mark.slow]


def group_study(**settings: Any) -> Study:
    return toy_study(
        trial="tests.tuner.support.group_toy:run", search={}, trials=1, epochs=3, settings=settings,
        resources={"cpu": 1, "workers": 2}, scheduler={"name": "none"},
    )  # fmt: skip


def run(out: Path, **settings: Any) -> SearchResult:
    return search(group_study(**settings), out, quiet())


def test_two_processes_find_each_other_and_report_once(tmp_path: Path) -> None:
    (trial,) = run(tmp_path / "out").trials
    assert (trial.state, trial.epoch, trial.value) == (State.COMPLETE, 3, 0.06)
    assert trial.metrics["world"] == 2
    told = [event["epoch"] for event in journal(tmp_path / "out") if event["event"] == "trial_reported"]
    assert told == [1, 2, 3]


@pytest.mark.parametrize("rank", [0, 1])
def test_the_failure_of_any_process_is_the_trial_s_with_its_cause(tmp_path: Path, rank: int) -> None:
    (trial,) = run(tmp_path / "out", fail=rank).trials
    assert trial.state == State.FAILED
    assert trial.epoch in ([1] if rank == 0 else [0, 1])  # the first process may report before another fails
    assert trial.reason.startswith(f"MemoryError: rank {rank} is full (in full: ")


def test_a_process_that_dies_costs_an_attempt_and_no_epoch(tmp_path: Path) -> None:
    (trial,) = run(tmp_path / "out", die_once=str(tmp_path / "mark")).trials
    assert (trial.state, trial.epoch, trial.retries) == (State.COMPLETE, 3, {"lost": 1})


def test_more_processes_than_the_cluster_has_room_for_are_refused(tmp_path: Path) -> None:
    study = group_study().model_copy(
        update={"resources": group_study().resources.model_copy(update={"workers": 99})}
    )
    with pytest.raises(StudyError, match="resources: a trial needs 99 times 1 cpu, 0 gpu on one machine"):
        search(study, tmp_path / "out", quiet())
