"""The result: only what is complete and feasible, and of several objectives whatever no other trial beats."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tuner.journal.record import State, TrialRecord
from tuner.results.selection import feasible, pareto, winner
from tuner.study.settings import Constraint, Metric, Objective

METRIC = Metric(name="eer", mode="min")
GOALS = [METRIC, Objective(name="score", mode="max")]
SMALL = [Constraint(metric="size", at_most=10)]


def trial(number: int, state: State = State.COMPLETE, **metrics: float) -> TrialRecord:
    return TrialRecord(number, {}, state=state, value=metrics.get("eer", math.nan), metrics=metrics)


numbers = st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan, math.inf, -math.inf])
trials = st.lists(
    st.builds(
        lambda state, metrics: (state, metrics),
        st.sampled_from([State.COMPLETE, State.COMPLETE, State.COMPLETE, State.STOPPED, State.FAILED]),
        st.dictionaries(st.sampled_from(["eer", "score", "size"]), numbers),
    ),
    max_size=8,
).map(lambda made: [trial(number, state, **metrics) for number, (state, metrics) in enumerate(made)])


def ok(record: TrialRecord) -> bool:
    size = record.metrics.get("size")
    return record.state is State.COMPLETE and size is not None and math.isfinite(size) and size <= 2


@given(trials)
def test_the_pareto_set_is_what_brute_force_finds(made: list[TrialRecord]) -> None:
    """A trial is beaten by one that is better in one goal and not worse in the other."""

    def figures(record: TrialRecord) -> tuple[float, float]:
        return record.metrics.get("eer", math.nan), record.metrics.get("score", math.nan)

    fit = [each for each in made if ok(each) and all(map(math.isfinite, figures(each)))]
    expected = set()
    for each in fit:
        e, s = figures(each)
        beaten = any(
            (oe < e and os >= s) or (oe <= e and os > s) for oe, os in (figures(other) for other in fit)
        )
        if not beaten:
            expected.add(each.number)
    found = pareto(made, GOALS, [Constraint(metric="size", at_most=2)])
    assert {each.number for each in found} == expected
    assert [each.metrics["eer"] for each in found] == sorted(each.metrics["eer"] for each in found)


@given(trials)
def test_the_winner_is_the_first_of_the_best_and_in_the_pareto_set_of_its_metric(
    made: list[TrialRecord],
) -> None:
    limit = [Constraint(metric="size", at_most=2)]
    best, front = winner(made, METRIC, limit), pareto(made, [METRIC], limit)
    assert best is (front[0] if front else None)


def test_the_front_of_a_staircase_is_the_staircase() -> None:
    stairs = [trial(n, eer=0.1 * n, score=float(n)) for n in range(4)]
    inside = [trial(9, eer=0.35, score=2.0), trial(8, eer=0.0, score=-1.0)]
    assert pareto([*inside, *reversed(stairs)], GOALS) == stairs


def test_a_trial_beyond_a_limit_or_without_the_number_cannot_win() -> None:
    best = trial(0, eer=0.0, size=10.5)
    unknown = [trial(1, eer=0.0), trial(2, eer=0.0, size=math.nan), trial(3, eer=0.0, size=-math.inf)]
    fits = trial(4, eer=0.5, size=10)
    assert winner([best, *unknown, fits], METRIC, SMALL) is fits
    assert winner([best, *unknown], METRIC, SMALL) is None
    assert winner([best, *unknown, fits], METRIC) is best


def test_feasible_means_within_every_limit() -> None:
    two = [*SMALL, Constraint(metric="ms", at_most=0)]
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"size": 10, "ms": 0}, True),
        ({"size": 10.1, "ms": -1}, False),
        ({"size": 1}, False),
        ({"size": math.nan, "ms": 0}, False),
    ]
    assert [feasible(metrics, two) for metrics, _ in cases] == [expected for _, expected in cases]
    assert feasible({}, [])


def test_of_equal_trials_the_lower_ties_win_then_the_first() -> None:
    metric = Metric(name="eer", mode="max", ties=["cllr", "loss"])
    made = [
        trial(0, eer=1, cllr=0.5, loss=0.0),
        trial(1, eer=1, cllr=math.nan, loss=0.0),
        trial(3, eer=1, cllr=0.4, loss=0.2),
        trial(2, eer=1, cllr=0.4, loss=0.2),
        trial(4, State.STOPPED, eer=2, cllr=0, loss=0),
    ]
    best = winner(made, metric)
    assert best is not None
    assert best.number == 2
