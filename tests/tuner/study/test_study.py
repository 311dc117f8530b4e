"""Checks across the parts of a study: one line with the setting, the rule and the value."""

# ruff: noqa: E501 - one wrong study and its message per line

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.tuner.support.studies import DEFAULT, toy_study
from tuner.errors import lines
from tuner.study.study import Study

POPULATION = {"scheduler": {"name": "pbt", "interval": 1}, "sampler": {"name": "random"}}
SIZE = {"name": "size", "mode": "min"}
LIMIT = {"metric": "size", "at_most": 1}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (POPULATION | {"sampler": {"name": "tpe"}}, "sampler.name: pbt changes settings during a trial and needs random or qmc, got tpe"),
        (POPULATION | {"trials": 3}, "trials: pbt needs a population of 4, got 3"),
        (POPULATION | {"scheduler": {"name": "pb2", "interval": 4}}, "scheduler.interval: needs less than the study's epochs, 4, got 4"),
        ({"budget": {"trials": 5}}, "budget.trials: needs the study's trials, 4, got 5; set one of the two"),
        ({"finalists": {"top": 5, "seeds": 3}}, "finalists.top: needs at most the study's trials, 4, got 5"),
        ({"objectives": [SIZE]}, "scheduler.name: needs none with `objectives`, got asha: it ranks trials by the metric alone"),
        ({"objectives": [SIZE, SIZE], "scheduler": {"name": "none"}}, "objectives[1].name: names size a second time; remove one"),
        ({"objectives": [{"name": "dev/loss", "mode": "max"}], "scheduler": {"name": "none"}}, "objectives[0].name: names dev/loss a second time; remove one"),
        ({"constraints": [LIMIT, LIMIT]}, "constraints[1].metric: names size a second time; remove one"),
        ({"warm_start": "x", "sampler": {"name": "qmc"}}, "warm_start: sampler qmc learns nothing from an earlier study; remove it or use tpe"),
        ({"sampler": {"name": "nsga2", "startup": 1}}, "sampler.startup: nsga2 needs a population of at least 2, got 1"),
        ({"points": [DEFAULT] * 4, "default": DEFAULT}, "points: needs at most 4 trials with the default, got 5; raise trials"),
        ({"points": [DEFAULT, {**DEFAULT, "x": 2}]}, "points[1].x: needs a number within [0.0, 1.0], got 2"),
        ({"points": [{"x": 0.5}]}, "points[0].optim.rate: is missing; add a value"),
        ({"points": [{**DEFAULT, "xx": 1}]}, "points[0].xx: is not searched; did you mean `x`?"),
        ({"search": {}, "trials": 1, "points": [{"x": 1}]}, "points[0].x: is not searched; there are none"),
    ],
)  # fmt: skip
def test_inconsistent_parts_are_one_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        toy_study(**changes)
    assert lines(caught.value) == [line]


@pytest.mark.parametrize("name", ["pbt", "pb2"])
@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_a_population_of_four_that_changes_on_the_way_is_a_study(name: str, sampler: str) -> None:
    toy_study(scheduler={"name": name, "interval": 3}, sampler={"name": sampler})


def content(**changes: Any) -> dict[str, Any]:
    plain = toy_study().to_dict()
    del plain["trials"], plain["budget"]
    return plain | changes


def test_the_budget_may_say_how_many_trials() -> None:
    assert Study.model_validate(content(budget={"trials": 7})).trials == 7
    assert Study.model_validate(content(budget={"trials": 7}, trials=7)).trials == 7
    again = Study.model_validate(content(budget={"trials": 7}))
    assert Study.model_validate(again.to_dict()) == again
    with pytest.raises(ValidationError) as caught:
        Study.model_validate(content(budget={"gpu_hours": 1.0}))
    assert lines(caught.value) == ["trials: is missing; add it"]
