"""Racing: a trial that is clearly worse than the best complete one, report by report, is stopped.

Report k means the same of every trial (the k-th fold of a cross-validation, say), so trials are compared by
their differences on the same reports, in which what makes a fold hard cancels out.

Searcher: the paired comparison of F-race (Birattari et al. 2002), with a t-test in place of ranks.

Shapes: R reports.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tuner.journal.record import State
from tuner.schedulers.fifo import FIFO
from tuner.schedulers.loss import loss_of, spared
from tuner.schedulers.scheduler import CONTINUE, Action, Decision
from tuner.statistics import clearly_worse, spread
from tuner.study.study import Study


class Race(FIFO):
    """Stops what has clearly lost to the best complete trial; spares the default.

    Args:
        study: its metric, reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        self._loss, self._spared = loss_of(study, study.scheduler.value), spared(study)
        self._grace, self._level, self._unit = study.scheduler.grace, study.scheduler.level, study.report_unit
        self._costs: dict[int, dict[int, float]] = {}  # trial -> report -> cost
        self._best: int | None = None

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        cost = self._loss.of(metrics)
        if cost is None:
            return CONTINUE
        self._costs.setdefault(number, {})[epoch] = cost
        if self._best is None or number == self._spared or epoch < self._grace:
            return CONTINUE
        behind = {other: self._behind(other, self._best) for other in self._costs if other != self._best}
        own = behind.get(number, [])
        if not clearly_worse(own, *spread(list(behind.values())), self._level):
            return CONTINUE
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
