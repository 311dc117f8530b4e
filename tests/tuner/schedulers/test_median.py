"""Median stopping: who is spared, and how many other trials it takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tuner.support.studies import toy_study
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.median import MedianStopping
from tuner.schedulers.scheduler import CONTINUE, Action

FULL = 6


def median(**changes: Any) -> MedianStopping:
    content = {"search": {"x": {"float": [0, 1]}}, "epochs": FULL, "scheduler": {"name": "median"}}
    scheduler = build_scheduler(toy_study(**{**content, **changes}))
    assert isinstance(scheduler, MedianStopping)
    return scheduler


def run(scheduler: MedianStopping, number: int, values: list[float]) -> str:
    """Begin a trial and report values until it is stopped; return why, or ""."""
    scheduler.begin(number, {})
    for epoch, value in enumerate(values, start=1):
        decision = scheduler.report(number, epoch, {"dev/loss": value})
        if decision.action is Action.STOP:
            return decision.reason
    return ""


def test_the_best_value_counts_against_the_running_averages_of_at_least_three_others() -> None:
    scheduler = median()
    for number, value in enumerate((0.2, 0.4)):
        run(scheduler, number, [value] * 3)
    assert run(scheduler, 5, [0.9]) == ""  # two others
    run(scheduler, 2, [0.3] * 3)
    assert run(scheduler, 6, [0.3]) == ""
    assert run(scheduler, 7, [0.36]) == "stopped by median at epoch 1"


@pytest.mark.parametrize("default", [{"x": 0.5}, None])
def test_the_default_is_spared(default: dict[str, float] | None) -> None:
    scheduler = median(default=default)
    for number in (1, 2, 3):
        run(scheduler, number, [0.1])
    assert (run(scheduler, 0, [0.9]) == "") == (default is not None)


def test_no_trial_is_stopped_before_the_grace_period_and_no_average_counts_reports_before_it() -> None:
    scheduler = median(scheduler={"name": "median", "grace_period": 2})
    for number in (1, 2, 3):
        run(scheduler, number, [9.0, 0.2])
    scheduler.begin(4, {})
    assert scheduler.report(4, 1, {"dev/loss": 10.0}) == CONTINUE
    assert scheduler.report(4, 2, {"dev/loss": 0.3}).action is Action.STOP


def test_a_spared_default_that_was_poor_still_counts_with_its_later_reports() -> None:
    scheduler = median(default={"x": 0.5})
    for number in (1, 2):
        run(scheduler, number, [0.1] * 3)
    run(scheduler, 3, [0.1])
    assert run(scheduler, 0, [0.9, 0.9, 0.9]) == ""
    assert run(scheduler, 4, [0.5, 0.5]) == "stopped by median at epoch 1"
