"""Asynchronous successive halving (ASHA) that stops no trial where early ranks do not predict later ones.

Which trials to stop is decided by Ray Tune's `ASHAScheduler`: at the rungs, grace_period *
reduction_factor^k reports, those that are not among the best 1 / reduction_factor of the trials that reached
the rung. That pays only if ranks at a rung predict the final ranks, which Ray does not check. So the rank
correlation of each rung with the next is measured here, and where it is below `min_rank_correlation`, that
rung and those below it stop no trial.

The correlation is measured on trials that the rung has let pass, and among a selected few it is lower than
among all (range restriction). This corrects itself: once the rung stops no trial, all pass, and if ranks do
agree, the correlation rises and the rung stops trials again.

Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuner.schedulers.ray_scheduler import RayScheduler, ray_asha
from tuner.schedulers.rungs import Ladder
from tuner.schedulers.scheduler import CONTINUE, Action, Decision
from tuner.study.study import Study


class ASHA(RayScheduler):
    """Successive halving with one bracket; never stops the default, which fills the rungs all the same.

    Args:
        study: its metric, number of reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        super().__init__(study, ray_asha(study))
        settings = study.scheduler
        self._ladder = Ladder(
            settings.grace_period,
            settings.reduction_factor,
            study.max_reports,
            settings.min_rank_correlation,
        )

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        decision, value = super().report(number, epoch, metrics), self._value(metrics)
        rung = None if value is None else self._ladder.enter(number, epoch, value)
        if rung is None or decision.action is not Action.STOP or not self._ladder.trusts(rung):
            return CONTINUE
        rung.stopped += 1
        return decision

    def diagnostics(self) -> list[Mapping[str, Any]]:
        """Return one row per rung below the last report.

        Returns:
            rung (its report), trials that reached it, pairs (trials with a value at the next rung too; of the
            highest rung: at the last report), their rank correlation (None: not defined), active (whether the
            rung stops trials), stopped (how many it has).
        """
        return [
            {
                "rung": math.ceil(rung.milestone),
                "trials": len(rung.values),
                "pairs": len(rung.pairs),
                "correlation": rung.correlation(),
                "active": self._ladder.trusts(rung),
                "stopped": rung.stopped,
            }
            for rung in self._ladder.rungs
            if rung.milestone < self._max_reports
        ]
