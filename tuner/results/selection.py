"""The best trials of a search: ranking, winner and, with several objectives, the Pareto set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tuner.journal.record import State, TrialRecord
from tuner.study.settings import Constraint, Metric, Objective


def feasible(metrics: Mapping[str, float], constraints: Sequence[Constraint]) -> bool:
    """Return whether every constrained metric was reported, is finite and within its limit."""
    return all(-math.inf < metrics.get(each.metric, math.nan) <= each.at_most for each in constraints)


def winner(
    trials: Sequence[TrialRecord], metric: Metric, constraints: Sequence[Constraint] = ()
) -> TrialRecord | None:
    """Return the best trial, or None."""
    return next(iter(ranked(trials, metric, constraints)), None)


def ranked(
    trials: Sequence[TrialRecord], metric: Metric, constraints: Sequence[Constraint] = ()
) -> list[TrialRecord]:
    """Return the complete feasible trials, best first; equal ones by their `ties`, then by number."""
    fit = [trial for trial in _complete(trials, constraints) if math.isfinite(trial.value)]
    return sorted(fit, key=lambda trial: (_rank(trial, metric), trial.number))


def rank(metrics: Mapping[str, float], metric: Metric) -> list[float]:
    """Return the key of a finite report, lower is better; a tie-breaker that is NaN sorts last."""
    value = metrics[metric.name]
    ties = [metrics.get(name, math.inf) for name in metric.ties]
    return [value if metric.mode == "min" else -value, *(t if math.isfinite(t) else math.inf for t in ties)]


def pareto(
    trials: Sequence[TrialRecord],
    goals: Sequence[Metric | Objective],
    constraints: Sequence[Constraint] = (),
) -> list[TrialRecord]:
    """Return the complete feasible trials that no other trial dominates.

    Args:
        trials: of one search.
        goals: the study's metric and objectives; a trial whose last report lacks one is left out.
        constraints: what makes a trial feasible.
    Returns:
        The Pareto set, sorted by the first goal; equal trials are all in it.
    """
    costs = {trial.number: _costs(trial, goals) for trial in trials}
    fit = [t for t in _complete(trials, constraints) if all(map(math.isfinite, costs[t.number]))]
    front = [a for a in fit if not any(dominates(costs[b.number], costs[a.number]) for b in fit)]
    return sorted(front, key=lambda trial: (costs[trial.number], trial.number))


def _complete(trials: Sequence[TrialRecord], constraints: Sequence[Constraint]) -> list[TrialRecord]:
    return [t for t in trials if t.state is State.COMPLETE and feasible(t.metrics, constraints)]


def _costs(trial: TrialRecord, goals: Sequence[Metric | Objective]) -> list[float]:
    """Return the goals of a trial, each turned so that lower is better."""
    values = (trial.metrics.get(goal.name, math.nan) for goal in goals)
    return [value if goal.mode == "min" else -value for goal, value in zip(goals, values, strict=True)]


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Return whether costs `a` are nowhere above `b` and somewhere below it."""
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


def _rank(trial: TrialRecord, metric: Metric) -> list[float]:
    return rank({**trial.metrics, metric.name: trial.value}, metric)
