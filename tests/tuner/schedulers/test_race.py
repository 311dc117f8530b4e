"""The race by hand: the test behind it against SciPy, who is stopped, who is spared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.tuner.support.studies import toy_study
from tuner.journal.record import State
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.race import Race
from tuner.schedulers.scheduler import Action
from tuner.statistics import clearly_worse, spread

RACE = {"name": "race", "grace_period": 2, "alpha": 0.05}
BEST = [0.1, 0.3, 0.2, 0.4]


def race(**changes: Any) -> Race:
    scheduler = build_scheduler(
        toy_study(**{"search": {"x": {"float": [0, 1]}}, "scheduler": RACE, **changes})
    )
    assert isinstance(scheduler, Race)
    return scheduler


def run(scheduler: Race, number: int, values: list[float], metric: str = "dev/loss") -> str:
    """Report value after value; the fourth completes the trial. Why it was stopped, or ""."""
    for epoch, value in enumerate(values, start=1):
        decision = scheduler.report(number, epoch, {metric: value, "fold": value})
        if epoch == 4:
            scheduler.end(number, State.COMPLETE if math.isfinite(value) else State.FAILED)
        elif decision.action is Action.STOP:
            return decision.reason
    return ""


def test_the_spread_of_one_trial_is_its_standard_deviation_of_differences() -> None:
    other = [0.2, 0.35, 0.4, 0.45]
    deviation, freedom = spread([list(np.subtract(other, BEST))])
    assert deviation == pytest.approx(np.std(np.subtract(other, BEST), ddof=1))
    assert freedom == 3


def test_with_one_trial_the_test_is_the_paired_t_test_of_scipy() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        best, own = rng.normal(0.3, 0.05, 6), rng.normal(0.32, 0.05, 6)
        p = stats.ttest_rel(own, best, alternative="greater").pvalue
        behind = list(own - best)
        assert clearly_worse(behind, *spread([behind]), level=0.05) == (p < 0.05)


def test_trials_of_one_report_say_nothing_of_the_spread() -> None:
    deviation, freedom = spread([[0.3], [0.4]])
    assert math.isnan(deviation)
    assert freedom == 0
    assert not clearly_worse([9.0], deviation, freedom, 0.05)


def test_equals_are_stopped_about_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(2)
    stopped = 0
    for _ in range(2000):
        difficulty = rng.normal(0.3, 0.2, 6)
        best, *others = difficulty + rng.normal(0, 0.02, (6, 6))
        behind = [list(other - best) for other in others]
        stopped += clearly_worse(behind[0], *spread(behind), level=0.05)
    assert 0.02 < stopped / 2000 < 0.10  # all differences share the best trial, so they are not independent


def test_a_clear_loser_is_stopped_and_an_equal_runs_on() -> None:
    scheduler = race()
    assert run(scheduler, 0, BEST) == ""
    assert run(scheduler, 1, [0.12, 0.29, 0.21, 0.41]) == ""
    assert run(scheduler, 2, [0.6, 0.8, 0.7, 0.9]) == (
        "stopped by race at epoch 2: worse than trial 0 by 0.5 on average"
    )
    assert run(scheduler, 3, [0.11, 0.31, 0.19, 0.4]) == ""


def test_a_hard_report_is_hard_for_all_and_stops_nobody() -> None:
    scheduler = race()
    run(scheduler, 0, [0.01, 0.9, 0.02, 0.01])
    run(scheduler, 1, [0.02, 0.91, 0.01, 0.02])
    assert run(scheduler, 2, [0.015, 0.905, 0.015, 0.015]) == ""


@pytest.mark.parametrize("default", [{"x": 0.5}, None])
def test_the_default_is_spared(default: dict[str, float] | None) -> None:
    scheduler = race(default=default)
    run(scheduler, 1, BEST)
    run(scheduler, 2, [value + 0.01 for value in BEST])
    assert (run(scheduler, 0, [0.9, 0.9, 0.9, 0.9]) == "") == (default is not None)


def test_where_higher_is_better_the_lower_one_loses() -> None:
    scheduler = race(metric={"name": "dev/accuracy", "mode": "max"})
    run(scheduler, 0, BEST, "dev/accuracy")
    run(scheduler, 1, [0.12, 0.29, 0.21, 0.41], "dev/accuracy")
    assert run(scheduler, 2, [0.01, 0.02, 0.01, 0.02], "dev/accuracy").startswith(
        "stopped by race at epoch 2"
    )
    assert run(scheduler, 3, [0.6, 0.8, 0.7, 0.9], "dev/accuracy") == ""


def test_reports_without_the_compared_metric_are_passed_over() -> None:
    scheduler = race(scheduler={**RACE, "value": "fold"})
    scheduler.report(0, 1, {"dev/loss": 0.5})
    scheduler.report(0, 2, {"dev/loss": 0.5, "fold": 0.25})
    assert scheduler._losses == {0: {2: 0.25}}


def test_a_trial_that_did_not_run_to_its_end_is_nobodys_measure() -> None:
    scheduler = race()
    run(scheduler, 0, [0.1, 0.1])
    scheduler.end(0, State.STOPPED)
    run(scheduler, 1, [0.1, 0.1, 0.1, math.nan])
    assert scheduler._best is None


def test_a_report_without_a_number_does_not_shift_the_others() -> None:
    scheduler = race(scheduler={**RACE, "value": "fold"})
    run(scheduler, 0, [0.1, math.nan, 0.2, 0.4])
    assert run(scheduler, 1, [0.11, 0.9, 0.21, 0.41]) == ""
    assert scheduler._behind(1, 0) == pytest.approx([0.01, 0.01, 0.01])
