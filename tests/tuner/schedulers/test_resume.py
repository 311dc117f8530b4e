"""A replayed scheduler decides as before; `resume` changes nothing in it; no trial waits for ever."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuner.support.scheduler_scripts import Call, Play, replayed
from tests.tuner.support.studies import SPACE, toy_study
from tuner.journal.record import State
from tuner.schedulers.explore import perturbed
from tuner.schedulers.scheduler import Action
from tuner.space.space import Params
from tuner.study.study import Study

NAMES = ["asha", "median", "race", "early-discarding", "pbt", "pb2", "none"]
VALUES = st.one_of(st.integers(0, 9).map(float), st.sampled_from([0.25, 0.5]))


def study_of(name: str, trials: int, default: bool, **scheduler: Any) -> Study:
    content = {
        "name": name,
        "grace_period": 1,
        "reduction_factor": 2,
        "interval": 2,
        "min_rank_correlation": 0.9,
        **scheduler,
    }
    params = {"x": 0.5, "optim.rate": 0.1, "width": 8, "cuts": [2], "kind": "round"}
    return toy_study(trials=trials, epochs=8, scheduler=content, default=params if default else None)


def random_points(study: Study, trials: int) -> list[Params]:
    rng = np.random.default_rng(3)
    return [perturbed(study.space, study.space.middle(), rng) for _ in range(trials)]


def facts(play: Play) -> list[Any]:
    return [play.decisions, play.states, play.spent, play.scheduler.diagnostics()]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_replayed_scheduler_decides_the_same(name: str, data: st.DataObject) -> None:
    least = 4 if name in ("pbt", "pb2") else 1
    trials, slots = data.draw(st.integers(least, 5 if name == "pb2" else 9)), data.draw(st.integers(1, 4))
    study = study_of(name, trials, data.draw(st.booleans()), interval=data.draw(st.integers(1, 3)))
    table = np.array(data.draw(st.lists(VALUES, min_size=trials * 8, max_size=trials * 8))).reshape(trials, 8)
    points = random_points(study, trials)

    def curve(number: int, epoch: int, params: Params) -> float:
        return float(table[number, epoch - 1]) + params["x"]

    straight, resumed = (Play(study, points, curve, slots, again).run() for again in (False, True))
    assert facts(resumed) == facts(straight)
    assert len(straight.states) == trials


@pytest.mark.parametrize("name", ["early-discarding", "pbt", "pb2"])
def test_resume_changes_nothing_and_ends_every_pause(name: str) -> None:
    study = study_of(name, 8, default=True)
    asked: list[int] = []

    class Asking(Play):
        def _release(self) -> bool:
            first = (
                [self.scheduler.resume(tuple(self._held), idle) for idle in (True, False)]
                if self._held
                else []
            )
            assert (
                first
                == [self.scheduler.resume(tuple(self._held), idle) for idle in (True, False)][: len(first)]
            )
            asked.append(len(first))
            return super()._release()

    def curve(number: int, epoch: int, params: Params) -> float:
        return number / epoch + params["x"]

    points = random_points(study, 8)
    asking, plain = Asking(study, points, curve, 3).run(), Play(study, points, curve, 3).run()
    assert facts(asking) == facts(plain)
    assert max(asked) > 0
    assert len(plain.states) == 8


@pytest.mark.parametrize("name", NAMES)
def test_a_report_that_is_no_number_changes_nothing(name: str) -> None:
    study = study_of(name, 6, default=False)
    play = Play(study, random_points(study, 6), lambda number, epoch, _: number / epoch, 2).run()
    broken: list[Call] = [("begin", (99, study.space.middle()))]
    broken += [("report", (99, epoch, {"dev/loss": bad})) for epoch, bad in ((1, math.nan), (2, math.inf))]
    broken += [("end", (99, State.FAILED))]
    with_nan, without = replayed(study, [*broken, *play.calls]), replayed(study, play.calls)
    for number, value in ((50, 0.0), (51, 9.0), (52, 0.5)):
        later = [
            (scheduler.begin(number, {}), scheduler.report(number, 2, {"dev/loss": value}))
            for scheduler in (with_nan, without)
        ]
        assert later[0] == later[1]
    assert with_nan.diagnostics() == without.diagnostics()


@pytest.mark.parametrize("name", ["pbt", "pb2"])
def test_new_params_are_legal_and_every_clone_has_a_donor(name: str) -> None:
    study = study_of(name, 12, default=False)
    play = Play(study, random_points(study, 12), lambda n, e, params: params["x"] + n / e, 3).run()
    moves = [decision for _, _, decision in play.decisions if decision.action is Action.CLONE]
    assert moves
    for move in moves:
        assert move.donor is not None
        assert move.params is not None
        assert set(move.params) == set(SPACE)
        study.space.check_params(move.params, ("params",))
        assert f"continues from trial {move.donor}" in move.reason
