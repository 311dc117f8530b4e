"""The sampler: known params first, seeds repeat, Optuna gets the true states, limits and objectives count."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from optuna.samplers import TPESampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import TrialState

from tests.tuner.support.studies import DEFAULT, toy_study
from tests.tuner.support.toy import loss
from tuner.journal.record import State, TrialRecord
from tuner.results.selection import pareto, winner
from tuner.searchers import optuna_samplers
from tuner.searchers.optuna_searcher import OptunaSearcher
from tuner.space.space import Params
from tuner.study.study import Study

CHEAP = ["tpe", "random", "qmc", "nsga2"]
Figures = Callable[[dict[str, Any]], dict[str, float]]


def toy_figures(params: dict[str, Any]) -> dict[str, float]:
    return {"dev/loss": loss(params)}


def searched(study: Study, trials: int, figures: Figures = toy_figures) -> list[TrialRecord]:
    """Trials of one report, one after another."""
    sampler, out = OptunaSearcher(study), []
    for _ in range(trials):
        suggestion = sampler.ask()
        metrics = figures(study.config(suggestion.params))
        sampler.tell(suggestion.number, State.COMPLETE, metrics)
        value = metrics[study.metric.name]
        out.append(
            TrialRecord(
                suggestion.number, suggestion.params, state=State.COMPLETE, value=value, metrics=metrics
            )
        )
    return out


def points(study: Study, trials: int = 10) -> list[Params]:
    return [trial.params for trial in searched(study, trials)]


@pytest.mark.parametrize("name", CHEAP)
def test_the_default_comes_first_then_the_points_then_what_is_drawn(name: str) -> None:
    known = [{**DEFAULT, "x": 0.1 + 0.2}, {**DEFAULT, "cuts": [1]}]
    study = toy_study(default=DEFAULT, points=known, sampler={"name": name})
    sampler = OptunaSearcher(study)
    asked = [sampler.ask() for _ in range(4)]
    assert [each.number for each in asked] == [0, 1, 2, 3]
    assert [each.params for each in asked[:3]] == [DEFAULT, *known]
    assert asked[3].params not in [DEFAULT, *known]


@pytest.mark.parametrize("name", CHEAP)
def test_one_seed_gives_one_sequence_and_another_seed_another(name: str) -> None:
    def drawn(seed: int) -> list[Params]:
        return points(toy_study(sampler={"name": name, "seed": seed, "startup": 3}), 8)

    assert drawn(3) == drawn(3)
    assert all(a != b for a, b in zip(drawn(3), drawn(4), strict=True))


@pytest.mark.parametrize("name", CHEAP)
def test_no_suggestion_comes_twice_and_optuna_keeps_its_warnings_to_itself(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = points(toy_study(sampler={"name": name, "startup": 5}), 12)
    assert len({repr(params) for params in drawn}) == 12


def test_where_points_are_few_the_model_draws_none_twice_and_none_is_missed() -> None:
    """64 points, and a model that without this draws its best one again and again; then all are taken."""
    grid = {"x": {"int": [0, 7]}, "width": {"int": [1, 8]}}
    study = toy_study(search=grid, sampler={"name": "tpe", "startup": 5})
    drawn = [repr(params) for params in points(study, 70)]
    assert all(params not in drawn[:place] for place, params in enumerate(drawn[:50]) if place >= 5)
    assert len(set(drawn)) == 64


@pytest.mark.parametrize(
    "more", [{}, {"scheduler": {"name": "none"}, "objectives": [{"name": "size", "mode": "min"}]}]
)
def test_where_no_point_comes_twice_the_draws_are_optunas_and_no_trial_is_asked_for_its_space(
    more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = toy_study(sampler={"name": "tpe", "seed": 3, "startup": 4}, **more)

    def drawn() -> list[Params]:
        return [trial.params for trial in searched(study, 16, figures)]

    def figures(params: dict[str, Any]) -> dict[str, float]:
        return {"dev/loss": loss(params), "size": float(params["width"])}

    with monkeypatch.context() as plain:
        plain.setattr(
            optuna_samplers, "_TPE", lambda seed, startup, *_: TPESampler(seed=seed, n_startup_trials=startup)
        )
        expected = drawn()
    monkeypatch.setattr(IntersectionSearchSpace, "calculate", None)
    assert drawn() == expected


def test_optuna_is_told_what_became_of_each_trial() -> None:
    sampler = OptunaSearcher(toy_study())
    for state in (State.COMPLETE, State.STOPPED, State.FAILED, State.INTERRUPTED):
        number = sampler.ask().number
        sampler.report(number, 1, {"dev/loss": 0.5, "dev/accuracy": 0.5})
        sampler.report(number, 1, {"dev/loss": 0.7})  # a resumed trial repeats an epoch
        sampler.report(number, 2, {"dev/loss": math.nan})
        sampler.report(number, 3, {})
        sampler.tell(number, state, {"dev/loss": 0.25})
    trials = sampler.study.trials
    assert [t.state for t in trials] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.RUNNING,
    ]
    assert [t.value for t in trials] == [0.25, 0.5, None, None]
    assert all(t.intermediate_values == {1: 0.5} for t in trials)


def test_with_objectives_optuna_has_their_values_and_a_trial_without_one_failed() -> None:
    study = toy_study(scheduler={"name": "none"}, objectives=[{"name": "size", "mode": "max"}])
    sampler = OptunaSearcher(study)
    for state, size in ((State.COMPLETE, 3.0), (State.COMPLETE, math.nan), (State.STOPPED, 3.0)):
        number = sampler.ask().number
        sampler.report(number, 1, {"dev/loss": 0.5, "size": size})
        sampler.tell(number, state, {"dev/loss": 0.25, "size": size})
    assert [d.name for d in sampler.study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert [t.values for t in sampler.study.trials] == [[0.25, 3.0], None, None]


def test_a_constraint_is_told_as_the_distance_to_its_limit() -> None:
    sampler = OptunaSearcher(toy_study(constraints=[{"metric": "size", "at_most": 10}]))
    told = [
        (State.COMPLETE, {"size": 12.5}),
        (State.COMPLETE, {"size": math.nan}),
        (State.COMPLETE, {}),
        (State.STOPPED, {"size": 7.0}),
        (State.STOPPED, {}),  # not measured yet: neither feasible nor not
    ]
    for state, metrics in told:
        sampler.tell(sampler.ask().number, state, {"dev/loss": 0.25, **metrics})
    constraints = [trial.constraints for trial in sampler.study.trials]
    assert constraints == [{"size": 2.5}, {"size": math.inf}, {"size": math.inf}, {"size": -3.0}, {}]


def test_startup_random_trials_come_before_the_model() -> None:
    """With one seed, TPE agrees with itself during the shorter start-up only."""
    few, many = (points(toy_study(sampler={"name": "tpe", "seed": 1, "startup": n})) for n in (4, 8))
    assert few[:4] == many[:4]
    assert few[4:8] != many[4:8]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_tpe_beats_random_over_seeds_in_both_directions(mode: str) -> None:
    sign = 1 if mode == "min" else -1

    def best(name: str, seed: int) -> float:
        study = toy_study(
            sampler={"name": name, "seed": seed, "startup": 8}, metric={"name": "dev/loss", "mode": mode}
        )
        return min(
            sign * trial.value for trial in searched(study, 40, lambda p: {"dev/loss": sign * loss(p)})
        )

    wins = sum(best("tpe", seed) < best("random", seed) for seed in range(8))
    assert wins >= 6


def test_qmc_fills_the_range_more_evenly_than_chance() -> None:
    """Of 16 consecutive scrambled Sobol points each 1/16 of the range holds one; trial 0 is no part."""
    study = toy_study(
        search={"x": {"float": [0, 1]}, "y": {"float": [0, 1]}}, sampler={"name": "qmc", "seed": 7}
    )
    drawn = points(study, 17)[1:]
    for name in ("x", "y"):
        assert sorted(int(16 * params[name]) for params in drawn) == list(range(16))


def test_qmc_spends_no_place_of_its_sequence_on_a_known_point() -> None:
    space = {"x": {"float": [0, 1]}}
    known = [{"x": 0.5}, {"x": 0.25}]
    with_points = toy_study(search=space, sampler={"name": "qmc", "seed": 7}, points=known)
    without = toy_study(search=space, sampler={"name": "qmc", "seed": 7})
    assert points(with_points, 8)[2:] == points(without, 7)[1:]


def bounded(params: dict[str, Any]) -> dict[str, float]:
    return {"dev/loss": (params["x"] - 0.9) ** 2 + (params["y"] - 0.5) ** 2, "size": params["x"]}


@pytest.mark.parametrize("name", ["tpe", "nsga2"])
def test_a_constraint_moves_the_search_to_the_feasible_side(name: str) -> None:
    """The best of x = 0.9 is forbidden: the search goes to the border at 0.5, and so does the winner."""
    study = toy_study(
        search={"x": {"float": [0, 1]}, "y": {"float": [0, 1]}},
        sampler={"name": name, "seed": 2, "startup": 10},
        constraints=[{"metric": "size", "at_most": 0.5}],
    )
    free = study.model_copy(update={"constraints": []})
    late = [trial.params["x"] for trial in searched(study, 80, bounded)][50:]
    late_free = [trial.params["x"] for trial in searched(free, 80, bounded)][50:]
    assert sum(x <= 0.5 for x in late) >= 20
    assert sum(x <= 0.5 for x in late_free) <= 15
    best = winner(searched(study, 80, bounded), study.metric, study.constraints)
    assert best is not None
    assert 0.4 < best.params["x"] <= 0.5


def zdt1(params: dict[str, Any]) -> dict[str, float]:
    """Searcher: Zitzler, Deb and Thiele 2000, T1: on the true front g = 1, so cost = 1 - sqrt(size)."""
    g = 1 + 3 * sum(params[name] for name in "abc")
    return {"size": params["x"], "cost": g * (1 - math.sqrt(params["x"] / g))}


@pytest.mark.parametrize("seed", [0, 1])
def test_nsga2_comes_closer_to_the_true_front_than_random(seed: int) -> None:
    def distance(name: str) -> float:
        study = toy_study(
            search={dimension: {"float": [0, 1]} for dimension in "xabc"},
            sampler={"name": name, "seed": seed, "startup": 12},
            scheduler={"name": "none"},
            metric={"name": "cost", "mode": "min"},
            objectives=[{"name": "size", "mode": "min"}],
        )
        front = pareto(searched(study, 150, zdt1), study.all_objectives)
        gaps = [each.metrics["cost"] - (1 - math.sqrt(each.metrics["size"])) for each in front]
        assert min(gaps) > -1e-12
        return sum(gaps) / len(gaps)

    assert distance("nsga2") < 0.6 * distance("random")


@pytest.mark.slow
def test_gp_beats_random_and_keeps_a_constraint() -> None:
    def found(name: str) -> float:
        study = toy_study(
            search={"x": {"float": [0, 1]}, "y": {"float": [0, 1]}},
            sampler={"name": name, "seed": 3, "startup": 5},
            constraints=[{"metric": "size", "at_most": 0.5}],
        )
        best = winner(searched(study, 12, bounded), study.metric, study.constraints)
        assert best is not None
        return best.value

    assert 0.16 <= found("gp") < found("random")
