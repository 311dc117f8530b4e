"""The race over seeds: its test against SciPy, its state whatever ends first, and what it gains."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tuner.errors import StudyError
from tuner.finalists.finalists import Finals, SeedRounds
from tuner.journal.record import State
from tuner.results.seed_race import SeedRace, run_race, verdict
from tuner.searchers.searcher import Suggestion

LEVEL = 0.05


def made(values: Mapping[int, list[float]]) -> dict[int, dict[int, float]]:
    return {each: dict(enumerate(row, 1)) for each, row in values.items()}


def raced(values: Mapping[int, list[float]], mode: str = "min", level: float = LEVEL) -> SeedRace:
    """The race where everything has ended already."""
    seeds = range(1, 1 + max(map(len, values.values())))
    return run_race(list(values), list(seeds), made(values), level, mode)


def finals(candidates: int = 4, seeds: int = 5, mode: str = "min") -> Finals:
    return Finals.model_validate(
        {
            "name": "toy-finalists", "trial": "tests.tuner.support.toy:run", "epochs": 1, "trials": 1,
            "scheduler": {"name": "none"}, "metric": {"name": "m", "mode": mode}, "alpha": LEVEL,
            "candidates": {number: {"x": number} for number in range(candidates)},
            "seeds": {seed: {"seed": seed} for seed in range(1, seeds + 1)},
        }
    ).model_copy(update={"trials": candidates * seeds})  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_of_two_the_worse_leaves_where_scipy_s_paired_test_says_so(seed: int) -> None:
    rng = np.random.default_rng(seed)
    good, poor = rng.normal(0, 1, 4), rng.normal(1.5, 1, 4)
    if good.mean() + stats.sem(good) > poor.mean() + stats.sem(poor):
        good, poor = poor, good
    run = raced({7: [*good, 0.0], 3: [*poor, 0.0]})
    expected = stats.ttest_rel(poor, good, alternative="greater").pvalue < LEVEL
    assert (next(c.dropped for c in run.candidates if c.number == 3) == 4) == expected


def test_three_seeds_are_enough_where_several_candidates_share_their_spread() -> None:
    values = {0: [0.1, 0.2, 0.3, 0], 1: [0.11, 0.23, 0.29, 0], 2: [0.41, 0.48, 0.62, 0]}
    behind = {each: np.subtract(values[each][:3], values[0][:3]) for each in (1, 2)}
    pooled = math.sqrt(sum(((d - d.mean()) ** 2).sum() for d in behind.values()) / 4)
    worse = [d.mean() > stats.t.isf(LEVEL, 4) * pooled / math.sqrt(3) for d in behind.values()]
    assert worse == [False, True]
    assert {c.number: c.dropped for c in raced(values).candidates} == {0: None, 1: None, 2: 3}


def test_fewer_than_three_seeds_drop_nobody() -> None:
    run = raced({0: [0.1, 0.1], 1: [0.9, 0.9], 2: [5.0, 5.0]})
    assert run.standing == [0, 1, 2]
    assert run.over


@settings(deadline=None)
@given(
    st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=2, max_size=5),
    st.floats(-10, 10), st.floats(0.1, 10),
)  # fmt: skip
def test_a_shift_a_scale_and_the_other_mode_change_nothing(rows, shift, scale) -> None:
    rows = [[round(value, 3) for value in row] for row in rows]
    values = dict(enumerate(rows))
    there = raced(values)
    flipped = raced({each: [-value for value in row] for each, row in values.items()}, mode="max")
    assert [(c.number, c.dropped) for c in there.candidates] == [
        (c.number, c.dropped) for c in flipped.candidates
    ]
    assert len(there.standing) >= 1


def test_the_winner_has_the_best_mean_and_standard_error_not_the_best_mean() -> None:
    wild, steady = [0.0, 0.5, 0.1, 0.6], [0.31, 0.30, 0.32, 0.31]
    assert np.mean(wild) < np.mean(steady) < np.mean(wild) + stats.sem(wild)
    found = verdict(raced({0: wild, 1: steady}), made({0: wild, 1: steady}), "min")
    assert found is not None
    assert (found.winner.number, found.runner_up.number) == (1, 0)
    assert found.winner.error == pytest.approx(stats.sem(steady))
    expected = stats.ttest_1samp(steady, 0).confidence_interval(0.95)
    assert found.winner.interval == pytest.approx((expected.low, expected.high))
    between = stats.ttest_rel(wild, steady).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((between.low, between.high))
    assert not found.difference.shown
    upside = verdict(raced({0: wild, 1: steady}, "max"), made({0: wild, 1: steady}), "max")
    assert upside.winner.number == 1


def test_a_clear_difference_is_shown() -> None:
    values = {0: [0.10, 0.12, 0.11], 1: [0.30, 0.33, 0.31]}
    found = verdict(raced(values), made(values), "min")
    assert found.difference.mean == pytest.approx(np.mean(values[1]) - np.mean(values[0]))
    assert found.difference.shown


def test_whoever_fails_with_every_seed_is_out_and_one_failure_is_counted() -> None:
    values = {0: [math.nan] * 4, 1: [0.2, math.nan, 0.3, 0.2], 2: [0.25, 0.35, 0.3, 0.25]}
    run = raced(values)
    found = verdict(run, made(values), "min")
    assert {c.number: c.dropped for c in run.candidates}[0] == 3
    assert found.winner.number == 1
    assert {c.number: c.failed for c in run.candidates} == {0: 3, 1: 1, 2: 0}
    assert found.difference.differences.keys() == {1, 3, 4}


def test_without_two_runs_of_anybody_there_is_no_verdict() -> None:
    values = {0: [0.1, math.nan], 1: [math.nan, math.nan]}
    assert verdict(raced(values), made(values), "min") is None


def test_a_round_cut_short_does_not_count() -> None:
    values = {0: {1: 0.2, 2: 0.2, 3: 9.0}, 1: {1: 0.3, 2: 0.3}}
    run = run_race([0, 1], [1, 2, 3, 4], values, LEVEL, "min")
    assert (run.seeds, run.over) == ([1, 2], False)
    found = verdict(run, values, "min", "the budget is spent")
    assert (found.winner.number, found.winner.mean, found.runs) == (0, 0.2, 5)


def played(plan: Finals, order: list[int], slots: int) -> list[tuple[str, object]]:
    """What is asked and ended, with `slots` runs at a time that end in an order of their own."""
    source, running, told = SeedRounds(plan), [], []
    draw = iter(order * 50)
    while True:
        while len(running) < slots and (suggestion := source.ask()) is not None:
            running.append(suggestion)
            told.append(("ask", suggestion))
        if not running:
            return told
        ended = running.pop(next(draw) % len(running))
        told.append(("end", ended))
        source.tell(ended.number, *outcome(ended))


def outcome(run: Suggestion) -> tuple[State, dict[str, float]]:
    candidate, seed = run.params["candidate"], run.params["seed"]
    if (candidate, seed) == (1, 2):
        return State.FAILED, {}
    return State.COMPLETE, {"m": candidate**2 / 10 + 0.05 * math.sin(candidate + 3 * seed)}


@settings(max_examples=25, deadline=None)  # the machine may be busy
@given(st.lists(st.integers(0, 10), min_size=1, max_size=30), st.integers(1, 6))
def test_the_same_runs_are_made_whatever_ends_first(order, slots) -> None:
    plan = finals()
    asked = [run for what, run in played(plan, order, slots) if what == "ask"]
    assert asked == [run for what, run in played(plan, [0], 1) if what == "ask"]
    assert 12 < len(asked) < 20
    assert [run.params["candidate"] for run in asked[:4]] == [0, 1, 2, 3]
    assert {run.params["seed"] for run in asked[:4]} == {1}


@settings(max_examples=25, deadline=None)  # the machine may be busy
@given(st.lists(st.integers(0, 10), min_size=1, max_size=30), st.integers(1, 6), st.data())
def test_cut_anywhere_it_asks_as_if_never_interrupted(order, slots, data) -> None:
    told = played(finals(), order, slots)
    cut = data.draw(st.integers(0, len(told)))
    again = SeedRounds(finals())
    for what, run in told[:cut]:
        again.recall(run) if what == "ask" else again.tell(run.number, *outcome(run))
    for what, run in told[cut:]:
        if what == "ask":
            assert again.ask() == run
        else:
            again.tell(run.number, *outcome(run))
    assert again.ask() is None


def test_other_finalists_of_an_earlier_session_are_one_line() -> None:
    with pytest.raises(
        StudyError, match=r"the finalists began with other candidates \(trial 9 with seed 1\)"
    ):
        SeedRounds(finals()).recall(Suggestion(0, {"candidate": 9, "seed": 1}))


def simulated(rng: np.random.Generator, spread: float, noise: float) -> tuple[float, float, float, int]:
    """A search of 30 trials and its finals, of 5 and 5.

    Args:
        rng: of this search.
        spread: standard deviation of the true means.
        noise: of the seeds.
    Returns:
        The true mean of the search's winner, of the finals' winner and of the best finalist; the runs made.
    """
    truth = rng.normal(0.30, spread, 30)
    once = truth + rng.normal(0, noise, 30)
    top = np.argsort(once)[:5]
    plan = finals(candidates=5, seeds=5)
    fresh = truth[top, None] + rng.normal(0, noise, (5, 5))
    source, values, runs = SeedRounds(plan), {}, 0
    while (run := source.ask()) is not None:
        candidate, seed, runs = run.params["candidate"], run.params["seed"], runs + 1
        value = float(fresh[candidate, seed - 1])
        values.setdefault(candidate, {})[seed] = value
        source.tell(run.number, State.COMPLETE, {"m": value})
    found = verdict(run_race(range(5), range(1, 6), values, LEVEL, "min"), values, "min")
    return truth[top[0]], truth[top[found.winner.number]], truth[top].min(), runs


def test_finalists_choose_the_truly_better_configuration_more_often() -> None:
    """Seed noise as large as the differences between configurations; docs/finalists.md has these rates."""
    count = 250
    rows = [simulated(np.random.default_rng([11, each]), 0.02, 0.02) for each in range(count)]
    own, chosen, best, runs = (np.array(column) for column in zip(*rows, strict=True))
    better, worse = (chosen < own).mean(), (chosen > own).mean()
    hits, own_hits = (chosen == best).mean(), (own == best).mean()
    gain = (own - chosen).mean()
    rates = (
        f"the finals' winner is truly better in {better:.1%}, the same in {1 - better - worse:.1%}, worse in"
        f" {worse:.1%}; the best of the five is found in {hits:.1%}, by the search alone in {own_hits:.1%};"
        f" mean gain {gain:.4f}, {runs.mean():.1f} of 25 runs"
    )
    assert better > 2 * worse, rates
    assert stats.binomtest(int(better * count), int((better + worse) * count)).pvalue < 1e-6, rates
    assert hits > own_hits + 0.15, rates
    assert stats.ttest_rel(own, chosen, alternative="greater").pvalue < 1e-6, rates
    assert runs.max() <= 25, rates
    print(rates)
