"""Successive halving: Ray's own decisions where no rung disagrees, who is spared, what a rung measures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from scipy import stats

from tests.tuner.conftest import toy_study
from tuner.journal.record import State
from tuner.schedulers.asha import ASHA, LEAST_PAIRS
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.scheduler import CONTINUE, Action, Decision
from tuner.study.study import Study

PLAIN = {"name": "asha", "grace": 1, "reduction": 3, "agreement": -1}


def study_of(**changes: Any) -> Study:
    return toy_study(**{"search": {"x": {"float": [0, 1]}}, "epochs": 9, "scheduler": PLAIN, **changes})


def asha(**changes: Any) -> ASHA:
    rule = build_scheduler(study_of(**changes))
    assert isinstance(rule, ASHA)
    return rule


def tell(rule: ASHA, number: int, epoch: int, value: float) -> Decision:
    return rule.report(number, epoch, {"dev/loss": value, "dev/accuracy": value})


@dataclass
class FakeTrial:
    """What Ray's scheduler reads of a trial."""

    trial_id: str


VALUES = st.one_of(st.floats(-2, 2, allow_nan=False), st.integers(-2, 2).map(float), st.just(math.nan))


@settings(max_examples=150, deadline=None)
@given(
    stream=st.lists(st.tuples(st.integers(0, 11), VALUES), max_size=120),
    mode=st.sampled_from(["min", "max"]),
    grace=st.integers(1, 4),
    reduction=st.sampled_from([1.1, 1.5, 2.0, 3.0, 4.0]),
    full=st.integers(4, 27),
)
def test_without_the_measure_every_decision_is_rays(
    stream: list[tuple[int, float]], mode: str, grace: int, reduction: float, full: int
) -> None:
    metric = {"name": "dev/loss", "mode": mode}
    rule = asha(epochs=full, metric=metric, scheduler={**PLAIN, "grace": grace, "reduction": reduction})
    ray = ASHAScheduler(
        metric="dev/loss", mode=mode, max_t=full, grace_period=grace, reduction_factor=reduction
    )
    trials, epochs, over = [FakeTrial(f"t{number}") for number in range(12)], [0] * 12, set[int]()
    for trial in trials:
        ray.on_trial_add(None, trial)
    for number, value in stream:
        if number in over:
            continue
        epochs[number] += 1
        result = {"training_iteration": epochs[number], "dev/loss": value}
        decision = rule.report(number, epochs[number], {"dev/loss": value})
        last = not math.isfinite(value) or epochs[number] == full
        if not math.isfinite(value):
            ray.on_trial_remove(None, trials[number])  # Ray would rank it
        elif last:
            ray.on_trial_complete(None, trials[number], result)
        else:
            action = ray.on_trial_result(None, trials[number], result)
            assert (decision.action is Action.STOP) == (action == TrialScheduler.STOP)
        if last or decision.action is Action.STOP:
            over.add(number)


def test_the_default_is_spared_where_another_trial_as_poor_is_stopped() -> None:
    rule = asha(default={"x": 1.0})
    assert tell(rule, 1, 1, 0.1) == CONTINUE
    assert tell(rule, 0, 1, 0.9) == CONTINUE
    assert tell(rule, 2, 1, 0.9) == Decision(Action.STOP, "stopped by asha at epoch 1")


def test_the_spared_default_fills_the_rungs() -> None:
    rule = asha(default={"x": 1.0})
    tell(rule, 0, 1, 0.1)
    assert tell(rule, 1, 1, 0.9).action is Action.STOP


def test_without_a_default_the_first_trial_is_stopped_like_any_other() -> None:
    rule = asha()
    tell(rule, 1, 1, 0.1)
    assert tell(rule, 0, 1, 0.9).action is Action.STOP


def test_trials_are_ranked_at_rungs_only_and_by_the_mode() -> None:
    rule = asha(metric={"name": "dev/accuracy", "mode": "max"})
    assert tell(rule, 1, 3, 0.9) == CONTINUE
    assert tell(rule, 2, 3, 0.1).action is Action.STOP
    assert tell(rule, 3, 3, 0.95) == CONTINUE
    assert tell(rule, 3, 4, 0.0) == CONTINUE


def test_a_nan_takes_no_place_in_a_rung() -> None:
    rule = asha()
    for bad in (1, 2, 3):
        tell(rule, bad, 1, math.nan)
        rule.end(bad, State.FAILED)
    assert rule.diagnostics()[0]["trials"] == 0
    assert tell(rule, 4, 1, 0.9) == CONTINUE
    assert tell(rule, 5, 1, 0.95).action is Action.STOP


def climb(rule: ASHA, number: int, first: float, second: float) -> list[Decision]:
    """Both rungs of a trial, whatever the rule decides."""
    return [tell(rule, number, 1, first), tell(rule, number, 3, second)]


def test_a_rung_that_disagrees_with_the_next_stops_nobody_until_it_agrees() -> None:
    rule = asha(scheduler={**PLAIN, "agreement": 0.5})
    for number in range(LEAST_PAIRS - 1):
        climb(rule, number, number / 10, -number / 10)
    assert tell(rule, 90, 1, 5.0).action is Action.STOP  # too few to say
    climb(rule, LEAST_PAIRS, 0.8, -0.8)
    assert tell(rule, 91, 1, 5.0) == CONTINUE
    assert [row["active"] for row in rule.diagnostics()] == [False, True]
    for number in range(20, 60):
        climb(rule, number, number / 10, number / 10)
    assert rule.diagnostics()[0]["active"]
    assert tell(rule, 92, 1, 50.0).action is Action.STOP


def test_where_a_later_rung_disagrees_the_earlier_ones_stop_nobody_either() -> None:
    rule = asha(epochs=27, scheduler={**PLAIN, "agreement": 0.5})
    for number in range(LEAST_PAIRS):
        climb(rule, number, number / 10, number / 10)
        tell(rule, number, 9, -number / 10)
    assert [row["correlation"] for row in rule.diagnostics()] == [pytest.approx(1), pytest.approx(-1), None]
    assert [row["active"] for row in rule.diagnostics()] == [False, False, True]
    assert tell(rule, 90, 1, 5.0) == CONTINUE


def test_the_measure_is_spearmans_over_the_trials_with_both() -> None:
    rule = asha(scheduler={**PLAIN, "agreement": 1})
    first, second = [0.3, 0.1, 0.5, 0.2, 0.9], [1.0, 3.0, 2.0, 4.0, 5.0]
    for number, pair in enumerate(zip(first, second, strict=True)):
        climb(rule, number, *pair)
    tell(rule, 7, 1, 0.05)
    row = rule.diagnostics()[0]
    assert row["correlation"] == pytest.approx(stats.spearmanr(first, second).statistic)
    assert (row["rung"], row["trials"], row["pairs"], row["active"]) == (1, 6, 5, True)


def test_the_highest_rung_below_the_end_is_compared_with_the_last_report() -> None:
    rule = asha(epochs=8)
    for number, (third, last) in enumerate([(0.1, 0.3), (0.2, 0.2), (0.3, 0.1)]):
        tell(rule, number, 3, third)
        tell(rule, number, 8, last)
    assert [row["rung"] for row in rule.diagnostics()] == [1, 3]
    assert rule.diagnostics()[1]["correlation"] == pytest.approx(-1)


def test_where_all_are_equal_there_is_no_correlation_and_the_rung_stays_active() -> None:
    rule = asha(scheduler={**PLAIN, "agreement": 1})
    for number in range(LEAST_PAIRS):
        climb(rule, number, 0.5, number)
    row = rule.diagnostics()[0]
    assert row["correlation"] is None
    assert row["active"]


def test_only_what_was_stopped_is_counted() -> None:
    rule = asha(default={"x": 1.0})
    tell(rule, 1, 1, 0.1)
    for number in (0, 2, 3):
        tell(rule, number, 1, 0.9)
    assert rule.diagnostics()[0]["stopped"] == 2


def test_a_correlation_is_computed_once_a_pair_not_once_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()

    def counting(here: Any, later: Any) -> Any:
        asked.append(len(here))
        return spearmanr(here, later)

    spearmanr = stats.spearmanr
    monkeypatch.setattr(stats, "spearmanr", counting)
    rule = asha(epochs=27, scheduler={**PLAIN, "agreement": 0.5})
    for number in range(LEAST_PAIRS):
        climb(rule, number, number / 10, number / 10)
    for number in range(100, 300):
        assert tell(rule, number, 1, float(number)).action is Action.STOP
    assert len(asked) <= LEAST_PAIRS
    climb(rule, 300, -1.0, -1.0)
    assert rule.diagnostics()[0]["pairs"] == LEAST_PAIRS + 1
    assert asked[-1] == LEAST_PAIRS + 1


def test_a_trial_that_comes_to_a_lower_rung_late_makes_its_pair_all_the_same() -> None:
    rule = asha()
    for number in range(3):
        tell(rule, number, 1, math.nan)
        tell(rule, number, 3, number / 10)
        tell(rule, number, 4, number / 10)  # enters the first rung only now
    assert [row["pairs"] for row in rule.diagnostics()] == [3, 0]
    assert rule.diagnostics()[0]["correlation"] == pytest.approx(1)
