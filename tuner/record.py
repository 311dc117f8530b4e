"""What happened in a search: one record a trial, told to whoever listens (journal, MLflow, screen)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from tuner.definition import Metric, Study
from tuner.space import Point

INTERRUPTED = "the search ended first"


class State(StrEnum):
    """Where a trial stands. Only a complete one can win."""

    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass
class TrialRecord:
    """One trial; `value` is the study metric's last report, `epoch` counts reports."""

    number: int
    point: Point
    state: State = State.RUNNING
    reason: str = ""
    epoch: int = 0
    value: float = math.nan
    metrics: dict[str, float] = field(default_factory=dict)
    checkpoint: Path | None = None


class Listener(Protocol):
    """Told of everything in order; always in the process and thread that drive the search."""

    def study_started(self, study: Study) -> None: ...
    def trial_started(self, trial: TrialRecord) -> None: ...
    def trial_reported(self, trial: TrialRecord) -> None: ...
    def trial_ended(self, trial: TrialRecord) -> None: ...
    def study_ended(self, trials: Sequence[TrialRecord], state: State) -> None: ...


class Record:
    """The trials of one search by number.

    Args:
        study: the study.
        listeners: told of every change.
    """

    def __init__(self, study: Study, listeners: Sequence[Listener]) -> None:
        self.study = study
        self.trials: dict[int, TrialRecord] = {}
        self._listeners = listeners

    @property
    def ordered(self) -> list[TrialRecord]:
        """The trials by number; those that run side by side begin in any order."""
        return [self.trials[number] for number in sorted(self.trials)]

    def start_study(self) -> None:
        """The search begins."""
        self._tell(lambda listener: listener.study_started(self.study))

    def start(self, number: int, point: Point) -> None:
        """A trial begins; beginning again (on another machine) changes nothing."""
        if number in self.trials:
            return
        self.trials[number] = trial = TrialRecord(number, point)
        self._tell(lambda listener: listener.trial_started(trial))

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """One epoch's metrics; an epoch that is repeated after a resume is not told twice."""
        trial = self.trials[number]
        if epoch <= trial.epoch:
            return
        trial.epoch, trial.metrics = epoch, dict(metrics)
        trial.value = float(metrics[self.study.metric.name])
        self._tell(lambda listener: listener.trial_reported(trial))

    def end(self, number: int, state: State, reason: str) -> None:
        """A trial is over; a second end changes nothing."""
        trial = self.trials[number]
        if trial.state is not State.RUNNING:
            return
        trial.state, trial.reason = state, reason
        self._tell(lambda listener: listener.trial_ended(trial))

    def end_study(self, state: State) -> None:
        """The search is over; trials that still run were interrupted."""
        for number in list(self.trials):
            with suppress(OSError):  # if the disk is still full, the last line below raises
                self.end(number, State.INTERRUPTED, INTERRUPTED)
        trials = self.ordered
        self._tell(lambda listener: listener.study_ended(trials, state))

    def _tell(self, tell: Callable[[Listener], None]) -> None:
        """One listener's full disk must not keep the news from the others."""
        failed: list[OSError] = []
        for listener in self._listeners:
            try:
                tell(listener)
            except OSError as error:
                failed.append(error)
        if failed:
            raise failed[0]


def judge(metric: str, epoch: int, value: float, full: int, stopped: str) -> tuple[State, str]:
    """How a trial that ended without an error ended.

    Args:
        metric: the study metric's name.
        epoch: how often it reported.
        value: its last value.
        full: reports of a full trial.
        stopped: why the scheduler stopped it, or "".
    Returns:
        Its state and the reason, "" for a complete one.
    """
    if epoch > 0 and not math.isfinite(value):
        return State.FAILED, f"{metric} is {value} at epoch {epoch}"
    if epoch >= full:
        return State.COMPLETE, ""
    if stopped:
        return State.STOPPED, stopped
    return State.FAILED, f"ended by itself after {epoch} of {full} reports"


def winner(trials: Sequence[TrialRecord], metric: Metric) -> TrialRecord | None:
    """The best complete trial, of equal ones that with lower ties, then the first by number; or None."""
    complete = [t for t in trials if t.state is State.COMPLETE and math.isfinite(t.value)]
    return min(complete, key=lambda trial: (_rank(trial, metric), trial.number), default=None)


def _rank(trial: TrialRecord, metric: Metric) -> list[float]:
    """Lower is better; a tie-breaker that is no finite number comes last."""
    ties = [trial.metrics.get(name, math.inf) for name in metric.ties]
    value = trial.value if metric.mode == "min" else -trial.value
    return [value, *(tie if math.isfinite(tie) else math.inf for tie in ties)]


def shown(point: Mapping[str, Any]) -> str:
    """A point for a line of text: `batch_size=32, distill.temperature=2.31`."""
    return ", ".join(f"{path}={_brief(value)}" for path, value in point.items())


def _brief(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
