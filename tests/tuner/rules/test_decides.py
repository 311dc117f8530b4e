"""What a rule says beforehand of its later decisions is true: a trial that does not wait is never judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.tuner.conftest import toy_study
from tests.tuner.rules.scripts import Play
from tuner.conductor import Conductor
from tuner.policy import Policy
from tuner.record import Record
from tuner.rules.build import build_rule
from tuner.rules.free import Free
from tuner.rules.rule import GO, Decision, Rule
from tuner.sampler import Sampler
from tuner.space import Point

EPOCHS = 12
SCHEDULERS: list[dict[str, Any]] = [
    {"name": "none"},
    {"name": "asha", "grace": 1, "reduction": 2},
    {"name": "asha", "grace": 2, "reduction": 3},
    {"name": "asha", "grace": 1, "reduction": 1.2},
    {"name": "median", "grace": 3},
    {"name": "race", "grace": 4},
    {"name": "one-epoch", "grace": 2, "reduction": 3},
    {"name": "pbt", "interval": 3},
    {"name": "pb2", "interval": 4, "grace": 2},
]


class Promising:
    """A rule that is asked before each attempt, and held to it."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._waits: dict[int, set[int]] = {}
        self.judged = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rule, name)

    def begin(self, number: int, point: Point) -> None:
        self._rule.begin(number, point)
        self._ask(number)

    def released(self, number: int, decision: Decision) -> None:
        self._rule.released(number, decision)
        self._ask(number)

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        decision = self._rule.report(number, epoch, metrics)
        if decision != GO and epoch < EPOCHS:
            assert epoch in self._waits[number]
            self.judged += 1
        return decision

    def _ask(self, number: int) -> None:
        epochs = range(1, EPOCHS)
        self._waits[number] = {epoch for epoch in epochs if self._rule.decides(number, epoch)}


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda scheduler: str(scheduler["name"]))
@pytest.mark.parametrize("slots", [1, 3])
def test_a_rule_that_decides_nothing_answers_go(scheduler: dict[str, Any], slots: int) -> None:
    study = toy_study(search={"x": {"float": [0, 1]}}, trials=16, epochs=EPOCHS, scheduler=scheduler)
    points = [{"x": (number * 7 % 16) / 16} for number in range(16)]
    play = Play(study, points, lambda number, epoch, point: point["x"] + 1 / epoch + number / 1e4, slots)
    play.rule = promising = Promising(play.rule)  # type: ignore[assignment]
    play.run()
    assert (promising.judged > 0) == (scheduler["name"] != "none")


def test_a_rule_that_does_not_say_when_it_judges_is_waited_for_always() -> None:
    class Own(Free):
        def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
            return GO

    assert Own().decides(0, 1)
    assert not Free().decides(0, 1)


@pytest.mark.parametrize(
    ("scheduler", "asks"),
    [
        ({"name": "none"}, [12]),
        ({"name": "asha", "grace": 1, "reduction": 3}, [1, 3, 9, 12]),
        ({"name": "median", "grace": 10}, [10, 11, 12]),
        ({"name": "median", "grace": 1}, None),
        ({"name": "pbt", "interval": 5}, [5, 10, 12]),
    ],
)
def test_an_attempt_waits_at_its_last_report_and_where_the_rule_decides(
    scheduler: dict[str, Any], asks: list[int] | None
) -> None:
    study = toy_study(epochs=EPOCHS, scheduler=scheduler)
    record, policy = Record(study.metric.name), Policy(0, None)
    conductor = Conductor(study, Sampler(study), build_rule(study), record, None, policy)  # type: ignore[arg-type]
    attempt = conductor.next()
    assert attempt is not None
    assert attempt.asks == asks
