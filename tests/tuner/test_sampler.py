"""The sampler: the default first, seeds repeat, Optuna is told the truth, TPE finds the optimum's region."""

from __future__ import annotations

import math

import pytest
from optuna.trial import TrialState

from tests.tuner.conftest import DEFAULT, toy_study
from tests.tuner.toy import loss
from tuner.record import State
from tuner.sampler import Sampler


def test_the_default_comes_first_and_exactly() -> None:
    sampler = Sampler(toy_study(default=DEFAULT))
    assert sampler.ask() == (0, DEFAULT)
    number, second = sampler.ask()
    assert number == 1
    assert second != DEFAULT


@pytest.mark.parametrize("name", ["tpe", "random"])
def test_one_seed_gives_one_sequence_and_another_seed_another(name: str) -> None:
    def points(seed: int) -> list[object]:
        study = toy_study(sampler={"name": name, "seed": seed, "startup": 3})
        sampler, out = Sampler(study), []
        for _ in range(8):
            number, point = sampler.ask()
            sampler.tell(number, State.COMPLETE, loss(study.params(point)))
            out.append(point)
        return out

    assert points(3) == points(3)
    assert points(3) != points(4)


def test_optuna_is_told_what_became_of_each_trial() -> None:
    sampler = Sampler(toy_study())
    for state in (State.COMPLETE, State.STOPPED, State.FAILED, State.INTERRUPTED):
        number, _ = sampler.ask()
        sampler.report(number, 1, 0.5)
        sampler.report(number, 1, 0.7)  # a resumed trial repeats an epoch
        sampler.report(number, 2, math.nan)
        sampler.tell(number, state, 0.25)
    trials = sampler.study.trials
    assert [t.state for t in trials] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.FAIL,
    ]
    assert [t.value for t in trials] == [0.25, 0.5, None, None]
    assert all(t.intermediate_values == {1: 0.5} for t in trials)


def test_startup_random_trials_come_before_the_model() -> None:
    """With one seed, TPE and random agree during start-up only."""

    def points(startup: int) -> list[object]:
        study = toy_study(sampler={"name": "tpe", "seed": 1, "startup": startup})
        sampler, out = Sampler(study), []
        for _ in range(10):
            number, point = sampler.ask()
            sampler.tell(number, State.COMPLETE, loss(study.params(point)))
            out.append(point)
        return out

    few, many = points(4), points(8)
    assert few[:4] == many[:4]
    assert few[4:8] != many[4:8]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_tpe_beats_random_over_seeds_in_both_directions(mode: str) -> None:
    sign = 1 if mode == "min" else -1

    def best(name: str, seed: int) -> float:
        study = toy_study(
            sampler={"name": name, "seed": seed, "startup": 8}, metric={"name": "dev/loss", "mode": mode}
        )
        sampler, found = Sampler(study), math.inf
        for _ in range(40):
            number, point = sampler.ask()
            value = loss(study.params(point))
            sampler.tell(number, State.COMPLETE, sign * value)
            found = min(found, value)
        return found

    wins = sum(best("tpe", seed) < best("random", seed) for seed in range(8))
    assert wins >= 6
