"""Adapter for the schedulers of Ray Tune: asks them about trials that Ray does not run.

Ray's `ASHAScheduler` and `MedianStoppingRule` decide by what they are given in `on_trial_add`,
`on_trial_result` and `on_trial_complete` alone. So a resumed search restores them by replaying its journal,
as it restores every other scheduler here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule, TrialScheduler

from tuner.schedulers.fifo import FIFO
from tuner.schedulers.loss import spared
from tuner.schedulers.scheduler import CONTINUE, Action, Decision
from tuner.space.space import Params
from tuner.study.study import Study

REPORT, VALUE = "report", "value"  # keys of the results that Ray's schedulers are given
MIN_OTHERS = 3  # trials to take the median of


@dataclass(frozen=True)
class StandInTrial:
    """The part of a Ray trial that its schedulers read."""

    trial_id: str


class RayScheduler(FIFO):
    """Stops the trials that a Ray Tune scheduler stops, except the default.

    Args:
        study: its metric, number of reports and scheduler name are used.
        scheduler: from `ray_asha` or `ray_median`.
    """

    def __init__(self, study: Study, scheduler: TrialScheduler) -> None:
        self._scheduler: Any = scheduler  # given stand-ins for Ray's trials, and no controller
        self._spared = spared(study)
        self._metric, self._max_reports = study.metric.name, study.max_reports
        self._reason = f"stopped by {study.scheduler.name} at {study.report_unit}"
        self._trials: dict[int, StandInTrial] = {}

    def begin(self, number: int, params: Params) -> None:
        self._trials[number] = StandInTrial(f"{number:04d}")
        self._scheduler.on_trial_add(None, self._trials[number])

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        value = self._value(metrics)
        if value is None:
            return CONTINUE
        trial, result = self._trials[number], {REPORT: epoch, VALUE: value}
        if epoch >= self._max_reports:  # Ray counts a last report without deciding about the trial
            self._scheduler.on_trial_complete(None, trial, result)
            return CONTINUE
        action = self._scheduler.on_trial_result(None, trial, result)
        if action != TrialScheduler.STOP or number == self._spared:
            return CONTINUE
        return Decision(Action.STOP, f"{self._reason} {epoch}")

    def _value(self, metrics: Mapping[str, float]) -> float | None:
        """Return the study's metric; None where it is missing or not finite, which Ray would rank."""
        value = metrics.get(self._metric, math.nan)
        return value if math.isfinite(value) else None


def ray_asha(study: Study) -> TrialScheduler:
    """Return Ray's successive halving with one bracket."""
    return ASHAScheduler(
        time_attr=REPORT,
        metric=VALUE,
        mode=study.metric.mode,
        max_t=study.max_reports,
        grace_period=study.scheduler.grace_period,
        reduction_factor=study.scheduler.reduction_factor,
    )


def ray_median(study: Study) -> TrialScheduler:
    """Return Ray's median stopping, which here never pauses a trial."""
    return _MedianStoppingWithoutPauses(
        time_attr=REPORT,
        metric=VALUE,
        mode=study.metric.mode,
        grace_period=study.scheduler.grace_period,
        min_samples_required=MIN_OTHERS,
    )


class _MedianStoppingWithoutPauses(MedianStoppingRule):
    """Ray's rule without its pause of trials while there are too few to compare with."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        action = super().on_trial_result(tune_controller, trial, result)
        # the default is never stopped, and Ray asserts that a trial it stopped reports no more
        self._stopped_trials.discard(trial)
        return str(action)

    def _on_insufficient_samples(self, tune_controller: Any, trial: Any, time: float) -> str:
        return str(TrialScheduler.CONTINUE)
