"""Asynchronous successive halving that stops nobody where early ranks say nothing of later ones.

At the rungs, grace * reduction^k reports, a trial is stopped if it is not among the best 1 / reduction of
those that came by. That pays only if ranks at a rung tell the last ranks. So each rung's rank correlation
with the next is measured, and where it is below `agreement`, that rung and those before it stop nobody:
ranks that tell the next rung's are worth nothing if those tell nothing.

What was measured at a rung was measured on trials that it had let pass, and among a selected few a
correlation is lower than among all (range restriction). This heals itself: once the rung stops nobody, all
trials pass, the correlation is more and more that of an unselected set, and if it agrees after all, the rung
stops trials again.

Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning" (in the stopping form of Ray
Tune's ASHAScheduler, whose decisions these are where no rung disagrees); the correlation is Spearman's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from tuner.definition import Study
from tuner.rules.cost import cost_of, spared
from tuner.rules.free import Free
from tuner.rules.rule import GO, Action, Decision

LEAST_PAIRS = 8  # fewer trials say too little of a correlation


@dataclass
class Rung:
    """Trial -> value at a milestone (reports, may be a fraction), higher is better."""

    milestone: float
    values: dict[int, float] = field(default_factory=dict)
    stopped: int = 0


class Asha(Free):
    """Successive halving with one bracket; spares the default, which fills the rungs all the same.

    Args:
        study: its metric, reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        settings = study.scheduler
        self._cost, self._spared = cost_of(study), spared(study)
        self._full, self._unit = study.full, study.unit
        self._reduction, self._agreement = settings.reduction, settings.agreement
        count = int(np.log(study.full / settings.grace) / np.log(settings.reduction) + 1)
        self._rungs = [Rung(settings.grace * settings.reduction**k) for k in range(count)]
        self._last: dict[int, float] = {}

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        cost = self._cost.of(metrics)
        if cost is None:
            return GO
        if epoch >= self._full:
            self._last[number] = -cost
        rung = self._reached(number, epoch)
        if rung is None:
            return GO
        poor = bool(rung.values) and -cost < self._cutoff(rung)
        rung.values[number] = -cost
        if not poor or number == self._spared or epoch >= self._full or not self._active(rung):
            return GO
        rung.stopped += 1
        return Decision(Action.STOP, f"stopped by asha at {self._unit} {epoch}")

    def findings(self) -> list[Mapping[str, Any]]:
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
                "pairs": len(self._pairs(rung)),
                "correlation": self._correlation(rung),
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
        correlation = self._correlation(rung) if len(self._pairs(rung)) >= LEAST_PAIRS else None
        return correlation is None or correlation >= self._agreement

    def _correlation(self, rung: Rung) -> float | None:
        here, later = [value for value, _ in self._pairs(rung)], [value for _, value in self._pairs(rung)]
        if len(set(here)) < 2 or len(set(later)) < 2:
            return None
        return float(stats.spearmanr(here, later).statistic)

    def _pairs(self, rung: Rung) -> list[tuple[float, float]]:
        """Of each trial that has both: its value at a rung, and at the next one or the last report."""
        above = self._rungs[self._rungs.index(rung) + 1 :]
        later = above[0].values if above else self._last
        return [(value, later[number]) for number, value in rung.values.items() if number in later]
