"""What happened in a search: one record a trial, made of events that are told to whoever listens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from tuner.journal.event import FORMAT, Event, EventKind
from tuner.space.space import Params

INTERRUPTED = "the search ended first"
LOST = "lost"  # the cause of an attempt that died with its process or machine
STACK = "stack"  # of one that was lost with its whole stack


class State(StrEnum):
    """Where a trial stands. Only a complete one can win; an interrupted one goes on when the search does."""

    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass
class TrialRecord:
    """One trial.

    Attributes:
        number: counted from 0.
        params: one value of each active dimension.
        encoded: what the sampler drew for it.
        state, reason: where it stands and why.
        epoch: reports so far.
        value: the study metric's last report.
        metrics: the whole last report.
        values: report -> the study metric.
        checkpoint: name of its last saved state in the storage, or None.
        saved: the report with which that was saved.
        cloned: whether another trial saved it, with other settings.
        changes: settings that failures made necessary, as dotted keys.
        retries: cause -> attempts lost to it.
        losses_without_report: attempts that died with their machine since its last report.
        alone: a stack was lost with it since its last report, so it runs by itself.
        seconds: how long it has held its resources.
    """

    number: int
    params: Params
    encoded: dict[str, Any] = field(default_factory=dict)
    state: State = State.RUNNING
    reason: str = ""
    epoch: int = 0
    value: float = math.nan
    metrics: dict[str, float] = field(default_factory=dict)
    values: dict[int, float] = field(default_factory=dict)
    checkpoint: str | None = None
    saved: int = 0
    cloned: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    retries: Counter[str] = field(default_factory=Counter)
    losses_without_report: int = 0
    alone: bool = False
    seconds: float = 0.0


class EventListener(Protocol):
    """Told of every event in order; always in the process and thread that drive the search."""

    def on_event(self, event: Event) -> None: ...


class StudyRecord:
    """The trials of one search by number.

    Args:
        metric: name of the study's metric.
        listeners: told of every event.

    Attributes:
        trials: by number.
        search: the search's id, "" before it began.
    """

    def __init__(self, metric: str, listeners: Sequence[EventListener] = ()) -> None:
        self._metric, self._listeners = metric, listeners
        self.trials: dict[int, TrialRecord] = {}
        self.search = ""

    @property
    def ordered(self) -> list[TrialRecord]:
        """The trials by number; those that run side by side begin in any order."""
        return [self.trials[number] for number in sorted(self.trials)]

    def start_study(
        self, search: str, study: Mapping[str, Any], memory: Mapping[str, Any] | None = None
    ) -> None:
        """The search begins for the first time, with what its source of points remembers."""
        content = {"format": FORMAT, "search": search, "study": dict(study), "memory": dict(memory or {})}
        self._happened(EventKind.STUDY_STARTED, None, **content)

    def resume_study(self, trials: int, resources: Mapping[str, Any] | None = None) -> None:
        """The search goes on; interrupted trials run again, with the resources of now."""
        content = {} if resources is None else {"resources": dict(resources)}
        self._happened(EventKind.STUDY_RESUMED, None, trials=trials, **content)

    def start(self, number: int, params: Params, encoded: Mapping[str, Any] | None = None) -> None:
        """A trial begins."""
        self._happened(EventKind.TRIAL_STARTED, number, params=params, encoded=dict(encoded or {}))

    def report(
        self, number: int, epoch: int, metrics: Mapping[str, float], checkpoint: str | None, seconds: float
    ) -> None:
        """One epoch's metrics, and the state saved with it."""
        content = {"epoch": epoch, "metrics": dict(metrics), "checkpoint": checkpoint, "seconds": seconds}
        self._happened(EventKind.TRIAL_REPORTED, number, **content)

    def save(self, number: int, epoch: int, checkpoint: str) -> None:
        """The state saved with a report that only repeats an earlier one, which is not told again."""
        self._happened(EventKind.TRIAL_SAVED, number, epoch=epoch, checkpoint=checkpoint)

    def retry(self, number: int, cause: str, reason: str, changes: Mapping[str, Any], seconds: float) -> None:
        """An attempt is lost, the trial is not: it goes on with some settings changed."""
        content = {"cause": cause, "reason": reason, "changes": dict(changes), "seconds": seconds}
        self._happened(EventKind.TRIAL_RETRIED, number, **content)

    def pause(self, number: int) -> None:
        """A trial gives its place back for a while."""
        self._happened(EventKind.TRIAL_PAUSED, number)

    def resume(self, number: int, **content: Any) -> None:
        """A trial that waited goes on, as it was or from another one's state."""
        self._happened(EventKind.TRIAL_RESUMED, number, **content)

    def end(self, number: int, state: State, reason: str, trace: str = "", seconds: float = 0.0) -> None:
        """A trial is over; a second end changes nothing."""
        trial = self.trials[number]
        if trial.state is State.RUNNING:
            content = {"state": state.value, "reason": reason, "epoch": trial.epoch}
            self._happened(EventKind.TRIAL_ENDED, number, **content, trace=trace, seconds=seconds)

    def conclude(self, figures: Mapping[str, float], files: Sequence[str], tags: Mapping[str, str]) -> None:
        """What came out of the whole."""
        content = {"figures": dict(figures), "files": list(files), "tags": dict(tags)}
        self._happened(EventKind.STUDY_CONCLUDED, None, **content)

    def end_study(self, state: State, reason: str = "", seconds: Mapping[int, float] | None = None) -> None:
        """The search is over; trials that still run were interrupted, after seconds not yet counted."""
        for number in list(self.trials):
            with suppress(OSError):  # if the disk is still full, the last line below raises
                self.end(number, State.INTERRUPTED, INTERRUPTED, seconds=(seconds or {}).get(number, 0.0))
        counts = Counter(trial.state.value for trial in self.ordered)
        self._happened(EventKind.STUDY_ENDED, None, state=state.value, reason=reason, trials=dict(counts))

    def apply(self, event: Event) -> None:
        """Change the trials as an event says, telling nobody."""
        if event.kind is EventKind.STUDY_STARTED:
            self.search = event["search"]
        elif event.kind is EventKind.STUDY_RESUMED:
            for trial in self.trials.values():
                if trial.state is State.INTERRUPTED:
                    trial.state, trial.reason, trial.losses_without_report = State.RUNNING, "", 0
        elif event.kind is EventKind.TRIAL_STARTED and event.trial is not None:
            self.trials[event.trial] = TrialRecord(event.trial, event["params"], event["encoded"])
        elif event.trial is not None:
            self._change(self.trials[event.trial], event)

    def _change(self, trial: TrialRecord, event: Event) -> None:
        trial.seconds += event.content.get("seconds", 0.0)
        if event.kind is EventKind.TRIAL_REPORTED:
            trial.epoch, trial.metrics, trial.losses_without_report = event["epoch"], event["metrics"], 0
            trial.alone = False
            trial.value = trial.values[trial.epoch] = float(trial.metrics.get(self._metric, math.nan))
            if event["checkpoint"]:
                trial.checkpoint, trial.saved, trial.cloned = event["checkpoint"], trial.epoch, False
        elif event.kind is EventKind.TRIAL_SAVED:
            trial.checkpoint, trial.saved, trial.cloned = event["checkpoint"], event["epoch"], False
        elif event.kind is EventKind.TRIAL_RETRIED:
            trial.changes |= event["changes"]
            trial.retries[event["cause"]] += 1
            trial.losses_without_report += event["cause"] == LOST
            trial.alone = event["cause"] == STACK
        elif event.kind is EventKind.TRIAL_RESUMED and event["donor"] is not None:
            trial.params, trial.epoch = event["params"], event["epoch"]
            trial.checkpoint, trial.saved, trial.cloned = event["checkpoint"], event["epoch"], True
        elif event.kind is EventKind.TRIAL_ENDED:
            trial.state, trial.reason = State(event["state"]), event["reason"]

    def _happened(self, kind: EventKind, number: int | None, **content: Any) -> None:
        event = Event(kind, number, content)
        self.apply(event)
        self._tell(lambda listener: listener.on_event(event))

    def _tell(self, tell: Callable[[EventListener], None]) -> None:
        """One listener's full disk must not keep the news from the others."""
        failed: list[OSError] = []
        for listener in self._listeners:
            try:
                tell(listener)
            except OSError as error:
                failed.append(error)
        if failed:
            raise failed[0]
