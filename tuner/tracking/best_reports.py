"""Best report, cost and last checkpoint of each trial, from events alone."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from tuner.controller.budget import gpus_of
from tuner.journal.event import SESSIONS, Event, EventKind
from tuner.results.selection import rank
from tuner.study.study import Study
from tuner.text import HOUR_S

BEST, COST = "best/", "cost/"


@dataclass
class BestReport:
    """One trial so far.

    Attributes:
        epoch: number of its best report, 0 before the first.
        metrics: of that report.
        checkpoint: name of the last checkpoint in the storage, or None.
        seconds: (kind, time) of an event -> seconds of resources and of GPUs since the event before.
    """

    epoch: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    checkpoint: str | None = None
    seconds: dict[tuple[EventKind, float], tuple[float, float]] = field(default_factory=dict)

    def to_metrics(self) -> dict[str, float]:
        """Return `best/<metric>` of the best report, `best/epoch`, `cost/seconds` and `cost/gpu_hours`."""
        held, on_gpus = (sum(column) for column in zip((0.0, 0.0), *self.seconds.values(), strict=True))
        best = {f"{BEST}{name}": value for name, value in self.metrics.items()}
        if self.epoch:
            best[f"{BEST}epoch"] = float(self.epoch)
        return {**best, f"{COST}seconds": held, f"{COST}gpu_hours": on_gpus / HOUR_S}


class BestReports:
    """The trials of one search by number; an event that is added twice counts once.

    The best report has the best value of the study's metric; ties are broken by the metric's `ties`, then by
    the earlier report. Where a report is a part of the evaluation instead of an epoch, such as a fold, the
    last one counts, since it covers all parts. Reports from before a trial became a clone do not count.

    Args:
        study: its metric, reports and resources are used.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._gpus = study.resources.gpu * study.resources.workers
        self._trials: defaultdict[int, BestReport] = defaultdict(BestReport)

    def __getitem__(self, number: int) -> BestReport:
        return self._trials[number]

    def add(self, event: Event) -> None:
        """Take the next event into account."""
        if event.kind in SESSIONS:
            self._gpus = gpus_of(event, self._gpus)
        if event.trial is None:
            return
        trial = self._trials[event.trial]
        held = event.content.get("seconds", 0.0)
        trial.seconds.setdefault((event.kind, event.time), (held, self._gpus * held))
        if event.kind is EventKind.TRIAL_REPORTED:
            self._report(trial, event)
        elif event.kind is EventKind.TRIAL_RESUMED and event["donor"] is not None:
            trial.epoch, trial.metrics, trial.checkpoint = 0, {}, event["checkpoint"]
        elif event.kind is EventKind.TRIAL_SAVED:
            trial.checkpoint = event["checkpoint"]

    def _report(self, trial: BestReport, event: Event) -> None:
        trial.checkpoint = event["checkpoint"] or trial.checkpoint
        if trial.epoch and not self._better(event["metrics"], trial.metrics):
            return
        trial.epoch, trial.metrics = event["epoch"], event["metrics"]

    def _better(self, metrics: dict[str, float], than: dict[str, float]) -> bool:
        name = self._study.metric.name
        if not math.isfinite(metrics.get(name, math.nan)):
            return False
        if self._study.reports is not None or not math.isfinite(than.get(name, math.nan)):
            return True
        return rank(metrics, self._study.metric) < rank(than, self._study.metric)
