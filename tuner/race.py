"""Racing: a trial that is clearly worse than the best complete one, report by report, is stopped.

Report k means the same of every trial (the k-th fold of a cross-validation, say), so trials are compared by
their differences on the same reports, in which what makes a fold hard cancels out.

Source: the paired comparison of F-race (Birattari et al. 2002), with a t-test in place of ranks.

Shapes: R reports.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from scipy import stats

from tuner.definition import Study
from tuner.metrics import METRICS, VALUE
from tuner.stops import Stops

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
    return float(np.mean(differences_R)) > error * float(stats.t.isf(level, freedom))


class Race(FIFOScheduler):
    """Stops what has clearly lost to the best complete trial; spares the default.

    Args:
        study: its metric, reports and scheduler settings are used.
        stops: filled with the reason of every stop.
    """

    def __init__(self, study: Study, stops: Stops) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._study, self._stops = study, stops
        self._sign = 1.0 if study.metric.mode == "min" else -1.0
        self._values: dict[int, dict[int, float]] = {}  # trial -> report -> value, lower is better
        self._best: int | None = None

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        number = trial.config["number"]
        if not self._take(number, result) or self._best is None:
            return str(TrialScheduler.CONTINUE)
        lead = {other: self._behind(other) for other in self._values if other != self._best}
        settings = self._study.scheduler
        lost = clearly_worse(lead.get(number, []), *spread(list(lead.values())), settings.level)
        spared = number == 0 and self._study.default is not None
        report = result["training_iteration"]
        if spared or report < settings.grace or not lost:
            return str(TrialScheduler.CONTINUE)
        mean = abs(float(np.mean(lead[number])))
        where = f"{self._study.unit} {report}: worse than trial {self._best} by {mean:.4g} on average"
        self._stops[trial.trial_id] = f"stopped by race at {where}"
        return str(TrialScheduler.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        number = trial.config["number"]
        self._take(number, result)
        ran_all = result.get("training_iteration", 0) >= self._study.full
        if not ran_all or not self._values.get(number):
            return
        if self._best is None or self._mean(number) < self._mean(self._best):
            self._best = number

    def _mean(self, number: int) -> float:
        return float(np.mean(list(self._values[number].values())))

    def _behind(self, number: int) -> list[float]:
        """How far a trial is behind the best one, on the reports that both made."""
        assert self._best is not None
        own, best = self._values[number], self._values[self._best]
        return [own[report] - best[report] for report in sorted(own.keys() & best.keys())]

    def _take(self, number: int, result: dict[str, Any]) -> bool:
        """Keep a report's value; False where it has none that is finite."""
        name = self._study.scheduler.value
        value = result.get(VALUE if name is None else f"{METRICS}/{name}")  # Ray flattens what schedulers see
        if value is None or not math.isfinite(value):
            return False
        self._values.setdefault(number, {})[result["training_iteration"]] = self._sign * value
        return True
