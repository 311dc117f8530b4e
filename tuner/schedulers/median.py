"""MedianStopping stopping: whoever was never as good as the median of the others on average is stopped.

Searcher: Golovin et al. 2017, "Google Vizier", section 3.2.2; as in Ray Tune's MedianStoppingRule the others
are all trials that have come as far, not the complete ones alone, and averages begin at the grace report. No
trial is paused.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tuner.schedulers.fifo import FIFO
from tuner.schedulers.loss import loss_of, spared
from tuner.schedulers.scheduler import CONTINUE, Action, Decision
from tuner.study.study import Study

LEAST_OTHERS = 3


@dataclass
class RunningAverage:
    """One trial so far: its best cost, and the running sums of its costs from the grace report on."""

    best: float = np.inf
    epochs: list[int] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)

    def average(self, epoch: int) -> float | None:
        """The mean cost up to a report; None where the trial has not come as far."""
        if not self.epochs or self.epochs[-1] < epoch:
            return None
        count = bisect_right(self.epochs, epoch)
        return self.sums[count - 1] / count if count else None


class MedianStopping(FIFO):
    """Stops a trial whose best value is worse than the median of the running averages of at least 3 others.

    Spares the default.

    Args:
        study: its metric, reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        self._loss, self._spared = loss_of(study), spared(study)
        self._grace, self._unit = study.scheduler.grace, study.report_unit
        self._courses: dict[int, RunningAverage] = {}

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        cost = self._loss.of(metrics)
        if cost is None:
            return CONTINUE
        own = self._courses.setdefault(number, RunningAverage())
        own.best = min(own.best, cost)
        if epoch < self._grace:
            return CONTINUE
        own.sums.append((own.sums[-1] if own.sums else 0.0) + cost)
        own.epochs.append(epoch)
        others = [course.average(epoch) for other, course in self._courses.items() if other != number]
        averages = [average for average in others if average is not None]
        if number == self._spared or len(averages) < LEAST_OTHERS or own.best <= np.median(averages):
            return CONTINUE
        median = self._loss.shown(float(np.median(averages)))
        where = f"{self._unit} {epoch}: best {self._loss.shown(own.best)}, median of the others {median}"
        return Decision(Action.STOP, f"stopped by median at {where}")
