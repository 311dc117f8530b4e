"""PBT by hand: which trial clones which, when; and that it follows params whose optimum moves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.tuner.support.curves import trained
from tests.tuner.support.scheduler_scripts import Play
from tests.tuner.support.studies import toy_study
from tuner.journal.record import State
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.pbt import PBT
from tuner.schedulers.scheduler import CONTINUE, PAUSE, Action

SCHEDULER = {"name": "pbt", "interval": 2}


def population(size: int = 8, **changes: Any) -> PBT:
    content = {"search": {"x": {"float": [0, 1]}}, "trials": size, "epochs": 12, "scheduler": SCHEDULER}
    scheduler = build_scheduler(toy_study(**{**content, **changes}))
    assert isinstance(scheduler, PBT)
    for number in range(size):
        scheduler.begin(number, {"x": number / 10})
    return scheduler


def reach(scheduler: PBT, values: list[float], epoch: int = 2) -> None:
    for number, value in enumerate(values):
        assert scheduler.report(number, epoch, {"dev/loss": value, "dev/accuracy": value}) == PAUSE


def test_trials_wait_at_each_interval_and_not_before_grace() -> None:
    scheduler = population(scheduler={**SCHEDULER, "grace_period": 3})
    decisions = [scheduler.report(0, epoch, {"dev/loss": 0.5}) for epoch in range(1, 7)]
    assert decisions == [CONTINUE, CONTINUE, CONTINUE, PAUSE, CONTINUE, PAUSE]


def test_the_worst_quarter_moves_to_the_best_quarter_and_nobody_else() -> None:
    scheduler = population()
    reach(scheduler, [0.5, 0.1, 0.9, 0.4, 0.2, 0.8, 0.6, 0.3])
    for number in range(8):
        decision = scheduler.resume([number], idle=False)[number]
        assert (decision.action is Action.CLONE) == (number in (2, 5))
        assert decision.donor in ((1, 4) if number in (2, 5) else (None,))
    move = scheduler.resume([2], idle=False)[2]
    assert move.reason == f"in the worst quarter of 8 at epoch 2, continues from trial {move.donor}"


def test_where_higher_is_better_the_lowest_moves() -> None:
    scheduler = population(4, metric={"name": "dev/accuracy", "mode": "max"})
    reach(scheduler, [0.5, 0.1, 0.9, 0.4])
    move = scheduler.resume([1], idle=False)[1]
    assert (move.action, move.donor) == (Action.CLONE, 2)


def test_the_first_that_waits_is_released_first_and_alone() -> None:
    scheduler = population()
    reach(scheduler, [0.5] * 8)
    assert list(scheduler.resume([3, 1, 2], idle=False)) == [3]


def test_nobody_is_released_before_the_population_has_begun_and_four_have_come() -> None:
    scheduler = build_scheduler(toy_study(trials=5, epochs=12, scheduler=SCHEDULER))
    for number in range(4):
        scheduler.begin(number, {})
        scheduler.report(number, 2, {"dev/loss": 0.5})
    assert scheduler.resume(range(4), idle=False) == {}
    scheduler.begin(4, {})
    assert list(scheduler.resume(range(4), idle=False)) == [0]
    late = population(5)
    reach(late, [0.5] * 3)
    assert late.resume(range(3), idle=False) == {}
    assert list(late.resume(range(3), idle=True)) == [0]
    late.end(4, State.FAILED)
    late.end(3, State.FAILED)
    assert late.resume(range(3), idle=False) == {0: CONTINUE}  # a fourth will never come


def test_three_are_too_few_to_move_and_equals_do_not_move() -> None:
    few, equal = population(4), population(4)
    reach(few, [0.1, 0.2, 0.9])
    reach(equal, [0.5] * 4)
    few.end(3, State.FAILED)
    assert few.resume([2], idle=True) == {2: CONTINUE}
    assert equal.resume([3], idle=True) == {3: CONTINUE}


def test_the_default_never_moves_and_may_be_a_donor() -> None:
    poor, good = population(4, default={"x": 0.0}), population(4, default={"x": 0.0})
    reach(poor, [0.9, 0.1, 0.2, 0.3])
    reach(good, [0.1, 0.3, 0.2, 0.9])
    assert poor.resume([0], idle=True) == {0: CONTINUE}
    assert good.resume([3], idle=True)[3].donor == 0


def test_a_trial_that_is_over_is_no_donor() -> None:
    scheduler = population(4)
    reach(scheduler, [0.1, 0.2, 0.3, 0.9])
    scheduler.end(0, State.COMPLETE)
    assert scheduler.resume([3], idle=True) == {3: CONTINUE}


def test_a_donor_gives_the_settings_that_it_has_by_now() -> None:
    scheduler = population(4, search={"x": {"choice": ["a", "b", "c", "d", "e"]}})
    reach(scheduler, [0.1, 0.2, 0.3, 0.9])
    found = set()
    for value in ("a", "b", "c"):
        scheduler._params[0] = {"x": value}
        move = scheduler.resume([3], idle=True)[3]
        assert move.params is not None
        found.add(move.params["x"])
    scheduler.resumed(3, move)
    assert scheduler._params[3] == move.params
    assert len(found) > 1


def test_after_a_jump_a_trial_waits_at_the_next_interval() -> None:
    scheduler = population(4)
    reach(scheduler, [0.1, 0.2, 0.3, 0.9])
    scheduler.resumed(3, scheduler.resume([3], idle=True)[3])
    assert [scheduler.report(3, epoch, {"dev/loss": 0.1}) for epoch in (8, 9, 10)] == [PAUSE, CONTINUE, PAUSE]


def test_from_an_older_state_a_trial_does_not_wait_twice_at_one_milestone() -> None:
    scheduler = population(4)
    reach(scheduler, [0.1, 0.2, 0.3, 0.9])
    assert [scheduler.report(3, epoch, {"dev/loss": 0.1}) for epoch in (1, 2, 3, 4)] == [
        CONTINUE,
        CONTINUE,
        CONTINUE,
        PAUSE,
    ]


def test_one_at_a_time_is_the_synchronous_algorithm() -> None:
    """At each milestone all have come before the first goes on, so the ranks are those of the whole."""
    values = np.random.default_rng(4).random((8, 12))
    study = toy_study(
        search={"x": {"float": [0, 1]}}, trials=8, epochs=12, scheduler={"name": "pbt", "interval": 3}
    )
    play = Play(study, [{"x": 0.5}] * 8, lambda number, epoch, _: float(values[number, epoch - 1])).run()
    releases = [row for row in play.decisions if row[2].action is not Action.PAUSE and row[1] % 3 == 0]
    for number, epoch, decision in releases[:8]:
        order = np.argsort(values[:, epoch - 1])
        assert (decision.action is Action.CLONE) == (number in order[-2:])
        assert decision.donor is None or decision.donor in order[:2]


def test_one_seed_gives_one_course_and_another_seed_another() -> None:
    def moves(seed: int) -> list[Any]:
        return [decision.params for _, _, decision in trained(seed, SCHEDULER, slots=2).decisions]

    assert moves(1) == moves(1)
    assert moves(1) != moves(2)


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_it_follows_a_best_setting_that_moves(slots: int) -> None:
    best = {
        name: np.mean(
            [min(trained(seed, {**SCHEDULER, "name": name}, slots=slots).loss) for seed in range(12)]
        )
        for name in ("none", "pbt")
    }
    assert best["pbt"] < best["none"] - 0.05


def test_a_value_that_is_no_number_is_not_ranked() -> None:
    scheduler = population(5)
    scheduler.report(0, 2, {"dev/loss": math.nan})
    scheduler.end(0, State.FAILED)
    for number, value in ((1, 0.1), (2, 0.2), (3, 0.3), (4, 0.9)):
        scheduler.report(number, 2, {"dev/loss": value})
    assert "of 4 at" in scheduler.resume([4], idle=False)[4].reason
