"""The race by hand: the test behind it against SciPy, who is stopped, who is spared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import TrialScheduler
from scipy import stats

from tests.tuner.conftest import toy_study
from tests.tuner.test_scheduler import FakeTrial
from tuner.metrics import METRICS, VALUE
from tuner.race import Race, clearly_worse, spread
from tuner.scheduler import build_scheduler
from tuner.stops import Stops

RACE = {"name": "race", "grace": 2, "level": 0.05}
STUDY = toy_study(search={"x": {"float": [0, 1]}}, epochs=4, scheduler=RACE)
BEST = [0.1, 0.3, 0.2, 0.4]


def race(**changes: Any) -> tuple[Race, Stops, list[FakeTrial]]:
    stops: Stops = {}
    scheduler = build_scheduler(
        toy_study(**{"search": {"x": {"float": [0, 1]}}, "scheduler": RACE, **changes}), stops
    )
    assert isinstance(scheduler, Race)
    return scheduler, stops, [FakeTrial(f"t{number}", {"number": number}) for number in range(8)]


def run(scheduler: Race, trial: FakeTrial, values: list[float], sign: float = 1.0) -> str:
    """Report value after value; the fourth completes the trial."""
    action = TrialScheduler.CONTINUE
    for epoch, value in enumerate(values, start=1):
        result = {"training_iteration": epoch, VALUE: sign * value, f"{METRICS}/fold": sign * value}
        if epoch == 4:
            scheduler.on_trial_complete(None, trial, result)
        else:
            action = scheduler.on_trial_result(None, trial, result)
        if action == TrialScheduler.STOP:
            return f"stopped at {epoch}"
    return action


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
    scheduler, stops, trials = race()
    assert run(scheduler, trials[0], BEST) == "CONTINUE"
    assert run(scheduler, trials[1], [0.12, 0.29, 0.21, 0.41]) == "CONTINUE"
    assert run(scheduler, trials[2], [0.6, 0.8, 0.7, 0.9]) == "stopped at 2"
    assert run(scheduler, trials[3], [0.11, 0.31, 0.19, 0.4]) == "CONTINUE"
    assert list(stops) == ["t2"]
    assert stops["t2"] == "stopped by race at epoch 2: worse than trial 0 by 0.5 on average"


def test_a_hard_report_is_hard_for_all_and_stops_nobody() -> None:
    scheduler, _, trials = race()
    run(scheduler, trials[0], [0.01, 0.9, 0.02, 0.01])
    run(scheduler, trials[1], [0.02, 0.91, 0.01, 0.02])
    assert run(scheduler, trials[2], [0.015, 0.905, 0.015, 0.015]) == "CONTINUE"


def test_the_default_is_spared() -> None:
    scheduler, stops, trials = race(default={"x": 0.5})
    run(scheduler, trials[1], BEST)
    run(scheduler, trials[2], [value + 0.01 for value in BEST])
    assert run(scheduler, trials[0], [0.9, 0.9, 0.9, 0.9]) == "CONTINUE"
    assert not stops


def test_where_higher_is_better_the_lower_one_loses() -> None:
    scheduler, stops, trials = race(metric={"name": "dev/accuracy", "mode": "max"})
    run(scheduler, trials[0], BEST, sign=-1)
    run(scheduler, trials[1], [0.12, 0.29, 0.21, 0.41], sign=-1)
    assert run(scheduler, trials[2], [0.6, 0.8, 0.7, 0.9], sign=-1) == "stopped at 2"
    assert list(stops) == ["t2"]


def test_reports_without_the_compared_metric_are_passed_over() -> None:
    scheduler, _, (trial, *_) = race(scheduler={**RACE, "value": "fold"})
    scheduler.on_trial_result(None, trial, {"training_iteration": 1, VALUE: 0.5})
    scheduler.on_trial_result(None, trial, {"training_iteration": 2, VALUE: 0.5, f"{METRICS}/fold": 0.25})
    assert scheduler._values == {0: {2: 0.25}}


def test_a_trial_that_did_not_run_to_its_end_is_nobodys_measure() -> None:
    scheduler, _, trials = race()
    scheduler.on_trial_complete(None, trials[0], {"training_iteration": 2, VALUE: math.nan})
    assert scheduler._best is None


def test_a_report_without_a_number_does_not_shift_the_others() -> None:
    scheduler, stops, trials = race(scheduler={**RACE, "value": "fold"})
    for trial, values in zip(trials, ([0.1, math.nan, 0.2, 0.4], [0.11, 0.9, 0.21, 0.41]), strict=False):
        run(scheduler, trial, values)
    assert scheduler._behind(1) == pytest.approx([0.01, 0.01, 0.01])
    assert not stops
