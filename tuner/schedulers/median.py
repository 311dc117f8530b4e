"""Median stopping: stops a trial whose best value is worse than the median of the other trials' averages.

Ray Tune's `MedianStoppingRule`, which compares with every trial that has come as far, not only with complete
ones, and averages from the grace period on. Two of its habits are left out: it does not pause trials while
there are too few to compare with, and a trial that was not stopped after all is judged again.

Source: Golovin et al. 2017, "Google Vizier", section 3.2.2.
"""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import MedianStoppingRule, TrialScheduler

from tuner.schedulers.ray_scheduler import REPORT, VALUE, RayScheduler
from tuner.study.study import Study

MIN_OTHERS = 3  # trials to take the median of


class MedianStopping(RayScheduler):
    """Median stopping over at least 3 other trials.

    Args:
        study: its metric, number of reports and scheduler settings are used.
    """

    def __init__(self, study: Study) -> None:
        rule = _StopsOnly(
            time_attr=REPORT,
            metric=VALUE,
            mode=study.metric.mode,
            grace_period=study.scheduler.grace_period,
            min_samples_required=MIN_OTHERS,
        )
        super().__init__(study, rule)


class _StopsOnly(MedianStoppingRule):
    """`MedianStoppingRule` without pauses."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        action = super().on_trial_result(tune_controller, trial, result)
        self._stopped_trials.discard(trial)  # the default continues, and Ray asserts that nobody does
        return str(action)

    def _on_insufficient_samples(self, tune_controller: Any, trial: Any, time: float) -> str:
        return str(TrialScheduler.CONTINUE)
