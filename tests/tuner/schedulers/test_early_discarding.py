"""One cut by hand: which trials pause and resume, and a search that was interrupted within the cut."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tuner.support.studies import toy_study
from tuner.journal.record import State
from tuner.schedulers.early_discarding import EarlyDiscarding
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.scheduler import CONTINUE, PAUSE, Action

VALUES = [0.5, 0.3, 0.9, 0.3, 0.1, 0.7, 0.8]  # the best three of seven: 4, 1, 3


def cut(**changes: Any) -> EarlyDiscarding:
    content = {
        "search": {"x": {"float": [0, 1]}},
        "scheduler": {"name": "early-discarding", "reduction_factor": 3},
    }
    scheduler = build_scheduler(toy_study(**{**content, **changes}))
    assert isinstance(scheduler, EarlyDiscarding)
    for number, value in enumerate(VALUES):
        assert scheduler.report(number, 1, {"dev/loss": value, "dev/accuracy": value}) == PAUSE
    return scheduler


def gone_on(scheduler: EarlyDiscarding, held: list[int]) -> list[int]:
    return [number for number, decision in scheduler.resume(held, idle=True).items() if decision == CONTINUE]


def test_nobody_goes_on_while_another_trial_may_still_come() -> None:
    assert cut().resume(range(7), idle=False) == {}


def test_the_best_third_rounded_up_is_resumed_and_the_others_get_a_reason() -> None:
    decisions = cut().resume(range(7), idle=True)
    assert [number for number in decisions if decisions[number] == CONTINUE] == [1, 3, 4]
    assert decisions[2].action is Action.STOP
    assert decisions[2].reason == "not among the best 3 of 7 after 1 epoch"


def test_of_equal_trials_the_first_goes_on() -> None:
    assert gone_on(cut(scheduler={"name": "early-discarding", "reduction_factor": 3.5}), list(range(7))) == [
        1,
        4,
    ]


def test_where_higher_is_better_the_highest_go_on() -> None:
    assert gone_on(cut(metric={"name": "dev/accuracy", "mode": "max"}), list(range(7))) == [2, 5, 6]


def test_the_default_goes_on_beside_the_best() -> None:
    assert gone_on(cut(default={"x": 0.5}), list(range(7))) == [0, 1, 3, 4]


def test_a_trial_that_was_let_go_is_not_held_again() -> None:
    scheduler = cut()
    scheduler.resumed(4, CONTINUE)
    assert scheduler.report(4, 2, {"dev/loss": 0.9}) == CONTINUE


@pytest.mark.parametrize("carried_out", range(8))
def test_a_cut_that_was_broken_off_ends_as_if_it_had_not(carried_out: int) -> None:
    scheduler = cut()
    whole = scheduler.resume(range(7), idle=True)
    for number in range(carried_out):
        if whole[number].action is Action.STOP:
            scheduler.end(number, State.STOPPED)
        else:
            scheduler.resumed(number, whole[number])
    rest = list(range(carried_out, 7))
    assert scheduler.resume(rest, idle=True) == {number: whole[number] for number in rest}


def test_a_trial_that_failed_while_it_waited_is_not_counted() -> None:
    scheduler = cut()
    scheduler.end(4, State.FAILED)
    assert gone_on(scheduler, [0, 1, 2, 3, 5, 6]) == [1, 3]


def test_trials_wait_at_grace() -> None:
    scheduler = build_scheduler(
        toy_study(epochs=5, scheduler={"name": "early-discarding", "grace_period": 3})
    )
    assert [scheduler.report(0, epoch, {"dev/loss": 0.1}) for epoch in (1, 2, 3)] == [
        CONTINUE,
        CONTINUE,
        PAUSE,
    ]
