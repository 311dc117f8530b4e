"""Which trials are stopped early, and why, as Ray Tune asks for it."""

from __future__ import annotations

import math
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from tuner.definition import Study
from tuner.metrics import VALUE
from tuner.race import Race
from tuner.stops import Stops


class Halving(ASHAScheduler):
    """ASHA that spares the default trial, says why it stopped one, and never ranks a NaN.

    Args:
        study: its metric mode, reports and scheduler settings are used.
        stops: filled with the reason of every stop.
    """

    def __init__(self, study: Study, stops: Stops) -> None:
        super().__init__(
            metric=VALUE,
            mode=study.metric.mode,
            max_t=study.full,
            grace_period=study.scheduler.grace,
            reduction_factor=study.scheduler.reduction,
        )
        self._spared = 0 if study.default is not None else None
        self._stops, self._unit = stops, study.unit

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        action: str = super().on_trial_result(tune_controller, trial, result)
        if action != TrialScheduler.STOP:
            return action
        if trial.config["number"] == self._spared:
            return str(TrialScheduler.CONTINUE)
        self._stops[trial.trial_id] = f"stopped by asha at {self._unit} {result['training_iteration']}"
        return action

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        if math.isfinite(result.get(VALUE, math.nan)):
            super().on_trial_complete(tune_controller, trial, result)
        else:
            self.on_trial_remove(tune_controller, trial)


def build_scheduler(study: Study, stops: Stops) -> TrialScheduler:
    """The study's scheduler; arguments as for `Halving`."""
    if study.scheduler.name == "asha":
        return Halving(study, stops)
    if study.scheduler.name == "race":
        return Race(study, stops)
    return FIFOScheduler()  # type: ignore[no-untyped-call]
