"""Successive halving: who is spared, what a rung measures, and which rungs stop no trial."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy import stats

from tests.tuner.support.studies import toy_study
from tuner.journal.record import State
from tuner.schedulers.asha import ASHA
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.rungs import MIN_PAIRS
from tuner.schedulers.scheduler import CONTINUE, Action, Decision
from tuner.study.study import Study

PLAIN = {"name": "asha", "grace_period": 1, "reduction_factor": 3, "min_rank_correlation": -1}


def study_of(**changes: Any) -> Study:
    return toy_study(**{"search": {"x": {"float": [0, 1]}}, "epochs": 9, "scheduler": PLAIN, **changes})


def asha(**changes: Any) -> ASHA:
    scheduler = build_scheduler(study_of(**changes))
    assert isinstance(scheduler, ASHA)
    return scheduler


def tell(scheduler: ASHA, number: int, epoch: int, value: float) -> Decision:
    """Report a value, of a trial that begins with its first report."""
    if number not in scheduler._trials:
        scheduler.begin(number, {})
    return scheduler.report(number, epoch, {"dev/loss": value, "dev/accuracy": value})


def test_the_default_is_spared_where_another_trial_as_poor_is_stopped() -> None:
    scheduler = asha(default={"x": 1.0})
    assert tell(scheduler, 1, 1, 0.1) == CONTINUE
    assert tell(scheduler, 0, 1, 0.9) == CONTINUE
    assert tell(scheduler, 2, 1, 0.9) == Decision(Action.STOP, "stopped by asha at epoch 1")


def test_the_spared_default_fills_the_rungs() -> None:
    scheduler = asha(default={"x": 1.0})
    tell(scheduler, 0, 1, 0.1)
    assert tell(scheduler, 1, 1, 0.9).action is Action.STOP


def test_without_a_default_the_first_trial_is_stopped_like_any_other() -> None:
    scheduler = asha()
    tell(scheduler, 1, 1, 0.1)
    assert tell(scheduler, 0, 1, 0.9).action is Action.STOP


def test_trials_are_ranked_at_rungs_only_and_by_the_mode() -> None:
    scheduler = asha(metric={"name": "dev/accuracy", "mode": "max"})
    assert tell(scheduler, 1, 3, 0.9) == CONTINUE
    assert tell(scheduler, 2, 3, 0.1).action is Action.STOP
    assert tell(scheduler, 3, 3, 0.95) == CONTINUE
    assert tell(scheduler, 3, 4, 0.0) == CONTINUE


def test_a_nan_takes_no_place_in_a_rung() -> None:
    scheduler = asha()
    for bad in (1, 2, 3):
        tell(scheduler, bad, 1, math.nan)
        scheduler.end(bad, State.FAILED)
    assert scheduler.diagnostics()[0]["trials"] == 0
    assert tell(scheduler, 4, 1, 0.9) == CONTINUE
    assert tell(scheduler, 5, 1, 0.95).action is Action.STOP


def climb(scheduler: ASHA, number: int, first: float, second: float) -> list[Decision]:
    """Both rungs of a trial, whatever the scheduler decides."""
    return [tell(scheduler, number, 1, first), tell(scheduler, number, 3, second)]


def test_a_rung_that_disagrees_with_the_next_stops_nobody_until_it_agrees() -> None:
    scheduler = asha(scheduler={**PLAIN, "min_rank_correlation": 0.5})
    for number in range(MIN_PAIRS - 1):
        climb(scheduler, number, number / 10, -number / 10)
    assert tell(scheduler, 90, 1, 5.0).action is Action.STOP  # too few to say
    climb(scheduler, MIN_PAIRS, 0.8, -0.8)
    assert tell(scheduler, 91, 1, 5.0) == CONTINUE
    assert [row["active"] for row in scheduler.diagnostics()] == [False, True]
    for number in range(20, 60):
        climb(scheduler, number, number / 10, number / 10)
    assert scheduler.diagnostics()[0]["active"]
    assert tell(scheduler, 92, 1, 50.0).action is Action.STOP


def test_where_a_later_rung_disagrees_the_earlier_ones_stop_nobody_either() -> None:
    scheduler = asha(epochs=27, scheduler={**PLAIN, "min_rank_correlation": 0.5})
    for number in range(MIN_PAIRS):
        climb(scheduler, number, number / 10, number / 10)
        tell(scheduler, number, 9, -number / 10)
    assert [row["correlation"] for row in scheduler.diagnostics()] == [
        pytest.approx(1),
        pytest.approx(-1),
        None,
    ]
    assert [row["active"] for row in scheduler.diagnostics()] == [False, False, True]
    assert tell(scheduler, 90, 1, 5.0) == CONTINUE


def test_the_measure_is_spearmans_over_the_trials_with_both() -> None:
    scheduler = asha(scheduler={**PLAIN, "min_rank_correlation": 1})
    first, second = [0.3, 0.1, 0.5, 0.2, 0.9], [1.0, 3.0, 2.0, 4.0, 5.0]
    for number, pair in enumerate(zip(first, second, strict=True)):
        climb(scheduler, number, *pair)
    tell(scheduler, 7, 1, 0.05)
    row = scheduler.diagnostics()[0]
    assert row["correlation"] == pytest.approx(stats.spearmanr(first, second).statistic)
    assert (row["rung"], row["trials"], row["pairs"], row["active"]) == (1, 6, 5, True)


def test_the_highest_rung_below_the_end_is_compared_with_the_last_report() -> None:
    scheduler = asha(epochs=8)
    for number, (third, last) in enumerate([(0.1, 0.3), (0.2, 0.2), (0.3, 0.1)]):
        tell(scheduler, number, 3, third)
        tell(scheduler, number, 8, last)
    assert [row["rung"] for row in scheduler.diagnostics()] == [1, 3]
    assert scheduler.diagnostics()[1]["correlation"] == pytest.approx(-1)


def test_where_all_are_equal_there_is_no_correlation_and_the_rung_stays_active() -> None:
    scheduler = asha(scheduler={**PLAIN, "min_rank_correlation": 1})
    for number in range(MIN_PAIRS):
        climb(scheduler, number, 0.5, number)
    row = scheduler.diagnostics()[0]
    assert row["correlation"] is None
    assert row["active"]


def test_only_what_was_stopped_is_counted() -> None:
    scheduler = asha(default={"x": 1.0})
    tell(scheduler, 1, 1, 0.1)
    for number in (0, 2, 3):
        tell(scheduler, number, 1, 0.9)
    assert scheduler.diagnostics()[0]["stopped"] == 2


def test_a_correlation_is_computed_once_a_pair_not_once_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()

    def counting(here: Any, later: Any) -> Any:
        asked.append(len(here))
        return spearmanr(here, later)

    spearmanr = stats.spearmanr
    monkeypatch.setattr(stats, "spearmanr", counting)
    scheduler = asha(epochs=27, scheduler={**PLAIN, "min_rank_correlation": 0.5})
    for number in range(MIN_PAIRS):
        climb(scheduler, number, number / 10, number / 10)
    for number in range(100, 300):
        assert tell(scheduler, number, 1, float(number)).action is Action.STOP
    assert len(asked) <= MIN_PAIRS
    climb(scheduler, 300, -1.0, -1.0)
    assert scheduler.diagnostics()[0]["pairs"] == MIN_PAIRS + 1
    assert asked[-1] == MIN_PAIRS + 1


def test_a_trial_that_comes_to_a_lower_rung_late_makes_its_pair_all_the_same() -> None:
    scheduler = asha()
    for number in range(3):
        tell(scheduler, number, 1, math.nan)
        tell(scheduler, number, 3, number / 10)
        tell(scheduler, number, 4, number / 10)  # enters the first rung only now
    assert [row["pairs"] for row in scheduler.diagnostics()] == [3, 0]
    assert scheduler.diagnostics()[0]["correlation"] == pytest.approx(1)
