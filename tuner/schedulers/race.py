"""Racing: stops a trial that is clearly worse than the best complete one, compared report by report.

Report k must mean the same for every trial, such as fold k of a cross-validation. Trials are compared by
their differences on the same reports, so what makes a fold hard cancels out. Ray Tune has no such scheduler.

Source: the paired comparison of F-race (Birattari et al. 2002), with a t-test instead of ranks.
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
    """Stops trials that have clearly lost to the best complete trial, except the default.

    Args:
        study: its metric, number of reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        settings = study.scheduler
        self._loss, self._spared = loss_of(study, settings.value), spared(study)
        self._grace_period, self._alpha, self._unit = settings.grace_period, settings.alpha, study.report_unit
        self._losses: dict[int, dict[int, float]] = {}  # trial -> report -> loss
        self._best: int | None = None

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        loss = self._loss.of(metrics)
        if loss is None:
            return CONTINUE
        self._losses.setdefault(number, {})[epoch] = loss
        if self._best is None or number == self._spared or epoch < self._grace_period:
            return CONTINUE
        behind = {other: self._behind(other, self._best) for other in self._losses if other != self._best}
        own = behind.get(number, [])
        if not clearly_worse(own, *spread(list(behind.values())), self._alpha):
            return CONTINUE
        where = f"{self._unit} {epoch}: worse than trial {self._best} by {float(np.mean(own)):.4g} on average"
        return Decision(Action.STOP, f"stopped by race at {where}")

    def end(self, number: int, state: State) -> None:
        if state is not State.COMPLETE or not self._losses.get(number):
            return
        if self._best is None or self._mean(number) < self._mean(self._best):
            self._best = number

    def _mean(self, number: int) -> float:
        return float(np.mean(list(self._losses[number].values())))

    def _behind(self, number: int, best: int) -> list[float]:
        """Return by how much a trial is worse than the best one, on the reports that both have made."""
        own, ahead = self._losses[number], self._losses[best]
        return [own[epoch] - ahead[epoch] for epoch in sorted(own.keys() & ahead.keys())]
