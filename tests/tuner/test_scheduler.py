"""Successive halving by hand: who is stopped, who is spared, and what a NaN does not do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ray.tune.schedulers import TrialScheduler

from tests.tuner.conftest import toy_study
from tuner.definition import Study
from tuner.metrics import VALUE
from tuner.scheduler import Halving, Stops, build_scheduler

STUDY = toy_study(
    search={"x": {"float": [0, 1]}}, default={"x": 1.0}, epochs=9,
    scheduler={"name": "asha", "grace": 1, "reduction": 3},
)  # fmt: skip


@dataclass
class FakeTrial:
    """What the scheduler reads of a trial."""

    trial_id: str
    config: dict[str, Any] = field(default_factory=dict)


def halving(study: Study, trials: int) -> tuple[Halving, Stops, list[FakeTrial]]:
    stops: Stops = {}
    scheduler = build_scheduler(study, stops)
    assert isinstance(scheduler, Halving)
    fakes = [FakeTrial(f"t{number}", {"number": number}) for number in range(trials)]
    for trial in fakes:
        scheduler.on_trial_add(None, trial)
    return scheduler, stops, fakes


def tell(scheduler: Halving, trial: FakeTrial, epoch: int, value: float) -> str:
    return scheduler.on_trial_result(None, trial, {"training_iteration": epoch, VALUE: value})


def test_the_default_is_spared_where_another_trial_as_poor_is_stopped() -> None:
    scheduler, stops, (default, good, poor) = halving(STUDY, 3)
    assert tell(scheduler, good, 1, 0.1) == TrialScheduler.CONTINUE
    assert tell(scheduler, default, 1, 0.9) == TrialScheduler.CONTINUE
    assert tell(scheduler, poor, 1, 0.9) == TrialScheduler.STOP
    assert stops == {"t2": "stopped by asha at epoch 1"}


def test_without_a_default_the_first_trial_is_stopped_like_any_other() -> None:
    scheduler, stops, (first, good) = halving(STUDY.model_copy(update={"default": None}), 2)
    tell(scheduler, good, 1, 0.1)
    assert tell(scheduler, first, 1, 0.9) == TrialScheduler.STOP
    assert list(stops) == ["t0"]


def test_trials_are_ranked_at_rungs_only_and_by_the_mode() -> None:
    higher = STUDY.model_copy(update={"metric": STUDY.metric.model_copy(update={"mode": "max"})})
    scheduler, _, (_, good, poor, best) = halving(higher, 4)
    assert tell(scheduler, good, 3, 0.9) == TrialScheduler.CONTINUE
    assert tell(scheduler, poor, 3, 0.1) == TrialScheduler.STOP
    assert tell(scheduler, best, 3, 0.95) == TrialScheduler.CONTINUE
    assert tell(scheduler, best, 4, 0.0) == TrialScheduler.CONTINUE


def test_a_nan_takes_no_place_in_a_rung() -> None:
    scheduler, _, trials = halving(STUDY, 6)
    for bad in trials[1:4]:
        scheduler.on_trial_complete(None, bad, {"training_iteration": 1, VALUE: math.nan})
    assert scheduler._brackets[0]._rungs[-1] == (1, {})
    assert tell(scheduler, trials[4], 1, 0.9) == TrialScheduler.CONTINUE
    assert tell(scheduler, trials[5], 1, 0.95) == TrialScheduler.STOP


def test_no_scheduler_stops_nobody() -> None:
    study = STUDY.model_copy(update={"scheduler": STUDY.scheduler.model_copy(update={"name": "none"})})
    scheduler = build_scheduler(study, {})
    trials = [FakeTrial(f"t{number}", {"number": number}) for number in range(3)]
    for trial, value in zip(trials, (0.1, 0.9, 1.0), strict=True):
        assert scheduler.on_trial_result(None, trial, {"training_iteration": 1, VALUE: value}) == "CONTINUE"
