"""Best report, cost and last checkpoint from events, each counted once."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.tuner.support.studies import toy_study
from tuner.journal.event import Event, EventKind
from tuner.study.study import Study
from tuner.tracking.best_reports import BestReport, BestReports


def best_report(study: Study, events: list[Event], times: int = 1) -> BestReport:
    best_reports = BestReports(study)
    for event in events * times:
        best_reports.add(event)
    return best_reports[0]


def report(epoch: int, value: float, seconds: float = 1.0, **others: float) -> Event:
    metrics = {"dev/loss": value, **others}
    content = {"epoch": epoch, "metrics": metrics, "checkpoint": f"s{epoch}", "seconds": seconds}
    return Event(EventKind.TRIAL_REPORTED, 0, content, 100.0 + epoch)


def session(kind: EventKind, time: float, gpu: float, workers: int = 1) -> Event:
    resources: dict[str, Any] = {"resources": {"cpu": 1, "gpu": gpu, "workers": workers}}
    started = kind is EventKind.STUDY_STARTED
    return Event(kind, None, {"study": resources} if started else resources, time)


@pytest.mark.parametrize("times", [1, 3])
def test_the_best_report_is_the_first_of_equal_ones(times: int) -> None:
    events = [report(1, 0.5, a=1), report(2, 0.3, a=2), report(3, 0.3, a=3), report(4, 0.4, a=4)]
    best = best_report(toy_study(), events, times)
    assert (best.epoch, best.metrics, best.checkpoint) == (2, {"dev/loss": 0.3, "a": 2}, "s4")
    assert best.to_metrics()["best/a"] == 2
    assert best.to_metrics()["best/epoch"] == 2
    assert best.to_metrics()["cost/seconds"] == 4


def test_ties_and_the_direction_are_the_study_s() -> None:
    tied = toy_study(metric={"name": "dev/loss", "mode": "min", "ties": ["a"]})
    assert (
        best_report(tied, [report(1, 0.3, a=2), report(2, 0.3, a=1), report(3, 0.3, a=math.nan)]).epoch == 2
    )
    upward = toy_study(metric={"name": "dev/loss", "mode": "max"})
    assert best_report(upward, [report(1, 0.3), report(2, 0.5), report(3, 0.4)]).epoch == 2


def test_a_value_that_is_no_number_is_never_the_best() -> None:
    assert best_report(toy_study(), [report(1, math.nan), report(2, 0.5), report(3, math.nan)]).epoch == 2
    assert best_report(toy_study(), [report(1, 0.5), report(2, -math.inf)]).epoch == 1


def test_where_reports_are_parts_of_the_judgement_the_last_one_counts() -> None:
    assert best_report(toy_study(reports=3), [report(1, 0.1), report(2, 0.5), report(3, 0.4)]).epoch == 3


def test_a_trial_that_moved_to_other_settings_begins_anew() -> None:
    content = {"donor": 1, "params": {}, "epoch": 1, "checkpoint": "theirs", "seconds": 0.0}
    moved = Event(EventKind.TRIAL_RESUMED, 0, content, 103.5)
    events = [report(1, 0.5), report(2, 0.1), moved]
    assert best_report(toy_study(), events).checkpoint == "theirs"
    assert best_report(toy_study(), events).metrics == {}
    assert best_report(toy_study(), [*events, report(4, 0.4)], 2).to_metrics()["best/dev/loss"] == 0.4


def test_gpu_hours_go_by_the_resources_of_each_session() -> None:
    events = [
        session(EventKind.STUDY_STARTED, 1, gpu=0.5, workers=2), report(1, 0.5, 3600),
        session(EventKind.STUDY_RESUMED, 2, gpu=0), report(2, 0.4, 1800),
        session(EventKind.STUDY_RESUMED, 3, gpu=2), report(3, 0.3, 900),
    ]  # fmt: skip
    for times in (1, 2):
        metrics = best_report(toy_study(), events, times).to_metrics()
        assert metrics["cost/gpu_hours"] == 1.5
        assert metrics["cost/seconds"] == 6300


def test_a_trial_without_a_report_has_only_its_cost() -> None:
    content = {"state": "failed", "reason": "", "epoch": 0, "trace": "", "seconds": 2.0}
    ended = Event(EventKind.TRIAL_ENDED, 0, content, 101.0)
    assert best_report(toy_study(), [ended]).to_metrics() == {"cost/seconds": 2.0, "cost/gpu_hours": 0.0}
