"""Racing: a trial that is clearly worse than the best complete one, report by report, is stopped.

Report k means the same of every trial (the k-th fold of a cross-validation, say), so trials are compared by
their differences on the same reports, in which what makes a fold hard cancels out.

Source: the paired comparison of F-race (Birattari et al. 2002), with a t-test in place of ranks.

Shapes: R reports.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import scipy

from tuner.definition import Study
from tuner.record import State
from tuner.rules.cost import cost_of, spared
from tuner.rules.free import Free
from tuner.rules.rule import GO, Action, Decision

LEAST_FREEDOM = 3


def spread(trials: Sequence[Sequence[float]]) -> tuple[float, int]:
    """How much a difference to the best trial varies from report to report, pooled over trials.

    Args:
        trials: each one's differences to the best trial, which itself is not among them.
    Returns:
        Standard deviation of one difference (NaN without any freedom), and the degrees of freedom.
    """
    squares, freedom = 0.0, 0
    for differences in trials:
        if len(differences) > 1:
            squares += float(((np.asarray(differences) - np.mean(differences)) ** 2).sum())
            freedom += len(differences) - 1
    return (math.sqrt(squares / freedom) if freedom else math.nan), freedom


def clearly_worse(differences_R: Sequence[float], deviation: float, freedom: int, level: float) -> bool:
    """One-sided t-test of the mean difference to the best trial; lower values are better.

    Args:
        differences_R: on the reports that both made.
        deviation, freedom: from `spread`; with fewer than 3 degrees of freedom nothing is clear.
        level: chance to call a trial worse that is as good.
    """
    if freedom < LEAST_FREEDOM or not differences_R:
        return False
    error = deviation / math.sqrt(len(differences_R))
    return float(np.mean(differences_R)) > error * float(scipy.stats.t.isf(level, freedom))


class Race(Free):
    """Stops what has clearly lost to the best complete trial; spares the default.

    Args:
        study: its metric, reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        self._cost, self._spared = cost_of(study, study.scheduler.value), spared(study)
        self._grace, self._level, self._unit = study.scheduler.grace, study.scheduler.level, study.unit
        self._costs: dict[int, dict[int, float]] = {}  # trial -> report -> cost
        self._best: int | None = None

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        cost = self._cost.of(metrics)
        if cost is None:
            return GO
        self._costs.setdefault(number, {})[epoch] = cost
        if self._best is None or number == self._spared or epoch < self._grace:
            return GO
        behind = {other: self._behind(other, self._best) for other in self._costs if other != self._best}
        own = behind.get(number, [])
        if not clearly_worse(own, *spread(list(behind.values())), self._level):
            return GO
        where = f"{self._unit} {epoch}: worse than trial {self._best} by {float(np.mean(own)):.4g} on average"
        return Decision(Action.STOP, f"stopped by race at {where}")

    def end(self, number: int, state: State) -> None:
        if state is not State.COMPLETE or not self._costs.get(number):
            return
        if self._best is None or self._mean(number) < self._mean(self._best):
            self._best = number

    def _mean(self, number: int) -> float:
        return float(np.mean(list(self._costs[number].values())))

    def _behind(self, number: int, best: int) -> list[float]:
        """How far a trial is behind the best one, on the reports that both made."""
        own, ahead = self._costs[number], self._costs[best]
        return [own[epoch] - ahead[epoch] for epoch in sorted(own.keys() & ahead.keys())]
