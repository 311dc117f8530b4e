"""Asynchronous successive halving that stops nobody where early ranks say nothing of later ones.

At the rungs, grace * reduction^k reports, a trial is stopped if it is not among the best 1 / reduction of
those that came by. That pays only if ranks at a rung tell the last ranks. So each rung's rank correlation
with the next is measured, and where it is below `agreement`, that rung and those before it stop nobody:
ranks that tell the next rung's are worth nothing if those tell nothing.

What was measured at a rung was measured on trials that it had let pass, and among a selected few a
correlation is lower than among all (range restriction). This heals itself: once the rung stops nobody, all
trials pass, the correlation is more and more that of an unselected set, and if it agrees after all, the rung
stops trials again.

Searcher: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning" (in the stopping form of Ray
Tune's ASHAScheduler, whose decisions these are where no rung disagrees); the correlation is Spearman's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy

from tuner.schedulers.fifo import FIFO
from tuner.schedulers.loss import loss_of, spared
from tuner.schedulers.scheduler import CONTINUE, Action, Decision
from tuner.study.study import Study

LEAST_PAIRS = 8  # fewer trials say too little of a correlation


@dataclass
class Rung:
    """Trial -> value at a milestone (reports, may be a fraction; inf: the last report), higher is better.

    Attributes:
        pairs: trial -> its value here and at the next rung, of those that have both.
    """

    milestone: float
    values: dict[int, float] = field(default_factory=dict)
    pairs: dict[int, tuple[float, float]] = field(default_factory=dict)
    stopped: int = 0
    _measured: tuple[int, float | None] = (0, None)  # the correlation of so many pairs

    def correlation(self) -> float | None:
        """Spearman's, over the pairs; None where it is not defined.

        Every report of a poor trial asks for it, and it changes with a new pair only.
        """
        if self._measured[0] != len(self.pairs):
            self._measured = (len(self.pairs), _spearman(list(self.pairs.values())))
        return self._measured[1]


class ASHA(FIFO):
    """Successive halving with one bracket; spares the default, which fills the rungs all the same.

    Args:
        study: its metric, reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        settings = study.scheduler
        self._loss, self._spared = loss_of(study), spared(study)
        self._full, self._unit = study.max_reports, study.report_unit
        self._reduction, self._agreement = settings.reduction, settings.agreement
        count = int(np.log(study.max_reports / settings.grace) / np.log(settings.reduction) + 1)
        self._rungs = [Rung(settings.grace * settings.reduction**k) for k in range(count)]
        self._last = Rung(math.inf)

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        cost = self._loss.of(metrics)
        if cost is None:
            return CONTINUE
        if epoch >= self._full:
            self._enter(len(self._rungs), number, -cost)
        rung = self._reached(number, epoch)
        if rung is None:
            return CONTINUE
        poor = bool(rung.values) and -cost < self._cutoff(rung)
        self._enter(self._rungs.index(rung), number, -cost)
        if not poor or number == self._spared or epoch >= self._full or not self._active(rung):
            return CONTINUE
        rung.stopped += 1
        return Decision(Action.STOP, f"stopped by asha at {self._unit} {epoch}")

    def diagnostics(self) -> list[Mapping[str, Any]]:
        """One row a rung below the last report.

        Returns:
            rung (its report), trials that came by, pairs (trials with a value at the next rung too; after
            the highest: at the last report), their rank correlation (None: not defined), active (whether it
            stops trials), stopped (how many it did).
        """
        rungs = [rung for rung in self._rungs if rung.milestone < self._full]
        return [
            {
                "rung": math.ceil(rung.milestone),
                "trials": len(rung.values),
                "pairs": len(rung.pairs),
                "correlation": rung.correlation(),
                "active": self._active(rung),
                "stopped": rung.stopped,
            }
            for rung in rungs
        ]

    def _reached(self, number: int, epoch: int) -> Rung | None:
        """The highest rung that a trial has reached and is not yet in."""
        reached = [rung for rung in self._rungs if epoch >= rung.milestone and number not in rung.values]
        return reached[-1] if reached else None

    def _cutoff(self, rung: Rung) -> float:
        return float(np.percentile(list(rung.values.values()), (1 - 1 / self._reduction) * 100))

    def _active(self, rung: Rung) -> bool:
        return all(self._agrees(later) for later in self._rungs[self._rungs.index(rung) :])

    def _agrees(self, rung: Rung) -> bool:
        correlation = rung.correlation() if len(rung.pairs) >= LEAST_PAIRS else None
        return correlation is None or correlation >= self._agreement

    def _enter(self, place: int, number: int, value: float) -> None:
        """A trial's value at a rung, and the pairs that it makes with those at the rungs beside it."""
        ladder = [*self._rungs, self._last]
        ladder[place].values[number] = value
        for below, above in itertools.pairwise(ladder[max(place - 1, 0) : place + 2]):
            if number in below.values and number in above.values:
                below.pairs[number] = (below.values[number], above.values[number])


def _spearman(pairs: list[tuple[float, float]]) -> float | None:
    here, later = zip(*pairs, strict=True)
    if len(set(here)) < 2 or len(set(later)) < 2:
        return None
    return float(scipy.stats.spearmanr(here, later).statistic)
