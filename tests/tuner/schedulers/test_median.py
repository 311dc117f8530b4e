"""MedianStopping stopping: Ray's own decisions, who is spared, how many others it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import MedianStoppingRule, TrialScheduler

from tests.tuner.conftest import toy_study
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.median import MedianStopping
from tuner.schedulers.scheduler import CONTINUE, Action

FULL = 6


def median(**changes: Any) -> MedianStopping:
    content = {"search": {"x": {"float": [0, 1]}}, "epochs": FULL, "scheduler": {"name": "median"}}
    rule = build_scheduler(toy_study(**{**content, **changes}))
    assert isinstance(rule, MedianStopping)
    return rule


def run(rule: MedianStopping, number: int, values: list[float]) -> str:
    """Why the trial was stopped, or ""."""
    for epoch, value in enumerate(values, start=1):
        decision = rule.report(number, epoch, {"dev/loss": value})
        if decision.action is Action.STOP:
            return decision.reason
    return ""


@dataclass(frozen=True)
class FakeTrial:
    """What Ray's scheduler reads of a trial."""

    trial_id: str


class NobodyWaits:
    """What Ray's scheduler asks of its controller; without anybody waiting it never pauses a trial."""

    def get_live_trials(self) -> list[Any]:
        return []


@settings(max_examples=150, deadline=None)
@given(
    stream=st.lists(st.tuples(st.integers(0, 6), st.integers(-3, 3)), max_size=60),
    mode=st.sampled_from(["min", "max"]),
    grace=st.integers(1, 3),
)
def test_every_decision_is_rays(stream: list[tuple[int, int]], mode: str, grace: int) -> None:
    metric = {"name": "dev/loss", "mode": mode}
    rule = median(metric=metric, scheduler={"name": "median", "grace": grace})
    ray = MedianStoppingRule(
        time_attr="training_iteration",
        metric="dev/loss",
        mode=mode,
        grace_period=grace,
        min_samples_required=3,
    )
    trials, epochs, over = [FakeTrial(f"t{number}") for number in range(7)], [0] * 7, set[int]()
    for trial in trials:
        ray.on_trial_add(NobodyWaits(), trial)
    for number, value in stream:
        if number in over:
            continue
        epochs[number] += 1
        result = {"training_iteration": epochs[number], "dev/loss": float(value)}
        decision = rule.report(number, epochs[number], {"dev/loss": float(value)})
        if epochs[number] == FULL:
            ray.on_trial_complete(NobodyWaits(), trials[number], result)
            over.add(number)
            continue
        action = ray.on_trial_result(NobodyWaits(), trials[number], result)
        assert (decision.action is Action.STOP) == (action == TrialScheduler.STOP)
        if decision.action is Action.STOP:
            over.add(number)


def test_the_best_value_counts_against_the_running_averages_of_at_least_three_others() -> None:
    rule = median()
    for number, value in enumerate((0.2, 0.4)):
        run(rule, number, [value] * 3)
    assert run(rule, 5, [0.9]) == ""  # two others
    run(rule, 2, [0.3] * 3)
    assert run(rule, 6, [0.3]) == ""
    assert run(rule, 7, [0.36]) == "stopped by median at epoch 1: best 0.36, median of the others 0.3"


@pytest.mark.parametrize("default", [{"x": 0.5}, None])
def test_the_default_is_spared(default: dict[str, float] | None) -> None:
    rule = median(default=default)
    for number in (1, 2, 3):
        run(rule, number, [0.1])
    assert (run(rule, 0, [0.9]) == "") == (default is not None)


def test_nobody_is_stopped_before_grace_and_what_was_before_is_in_no_average() -> None:
    rule = median(scheduler={"name": "median", "grace": 2})
    for number in (1, 2, 3):
        run(rule, number, [9.0, 0.2])
    assert rule.report(4, 1, {"dev/loss": 10.0}) == CONTINUE
    assert rule.report(4, 2, {"dev/loss": 0.3}).action is Action.STOP
