"""The state of a search and its trials, as its events make it; each event also goes to listeners."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from tuner.journal.event import FORMAT, Event, EventKind
from tuner.space.space import Params

INTERRUPTED = "the search ended first"
LOST = "lost"  # cause of a failed attempt: its process or machine died
STACK = "stack"  # cause of a failed attempt: its stack failed as a whole


class State(StrEnum):
    """State of a trial. Only complete ones can win; interrupted ones run again when the search is resumed."""

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
        params: searched values by dotted path.
        encoded: the searcher's own form of `params`.
        state, reason: state, and one line on why.
        epoch: number of its last report, from 1.
        value: the study's metric in that report.
        metrics: all of that report.
        values: the study's metric by number of report.
        checkpoint: name of its last checkpoint in the storage, or None.
        saved: number of the report that the checkpoint was saved with.
        cloned: the checkpoint was saved by another trial, with other settings.
        changes: settings changed by retries, dotted key -> value.
        retries: failed attempts by cause.
        losses_without_report: attempts that died with their process since the last report.
        alone: its stack failed since the last report, so it runs alone.
        seconds: for which it has held its resources.
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
    """Receives every event in order, in the process and thread that drive the search."""

    def on_event(self, event: Event) -> None: ...


class StudyRecord:
    """The state of one search.

    Each method makes an event, applies it here and passes it to the listeners, the journal first.

    Args:
        metric: name of the study's metric.
        listeners: receive every event.

    Attributes:
        trials: by number.
        search: id of the search, "" before it began.
    """

    def __init__(self, metric: str, listeners: Sequence[EventListener] = ()) -> None:
        self._metric, self._listeners = metric, listeners
        self.trials: dict[int, TrialRecord] = {}
        self.search = ""

    @property
    def ordered(self) -> list[TrialRecord]:
        """Return the trials in the order of their numbers."""
        return [self.trials[number] for number in sorted(self.trials)]

    def start_study(
        self, search: str, study: Mapping[str, Any], memory: Mapping[str, Any] | None = None
    ) -> None:
        """Begin a new search.

        Args:
            search: id of the search.
            study: `Study.to_dict()`.
            memory: state of the searcher besides the events.
        """
        content = {"format": FORMAT, "search": search, "study": dict(study), "memory": dict(memory or {})}
        self._emit(EventKind.STUDY_STARTED, None, **content)

    def resume_study(self, trials: int, resources: Mapping[str, Any] | None = None) -> None:
        """Resume the search: interrupted trials run again, with these resources."""
        content = {} if resources is None else {"resources": dict(resources)}
        self._emit(EventKind.STUDY_RESUMED, None, trials=trials, **content)

    def start(self, number: int, params: Params, encoded: Mapping[str, Any] | None = None) -> None:
        """Begin a trial."""
        self._emit(EventKind.TRIAL_STARTED, number, params=params, encoded=dict(encoded or {}))

    def report(
        self, number: int, epoch: int, metrics: Mapping[str, float], checkpoint: str | None, seconds: float
    ) -> None:
        """Record a report, the checkpoint saved with it, and the seconds since the trial's last event."""
        content = {"epoch": epoch, "metrics": dict(metrics), "checkpoint": checkpoint, "seconds": seconds}
        self._emit(EventKind.TRIAL_REPORTED, number, **content)

    def save(self, number: int, epoch: int, checkpoint: str) -> None:
        """Record a checkpoint saved with a report that repeats an earlier one."""
        self._emit(EventKind.TRIAL_SAVED, number, epoch=epoch, checkpoint=checkpoint)

    def retry(self, number: int, cause: str, reason: str, changes: Mapping[str, Any], seconds: float) -> None:
        """Record a failed attempt of a trial that is retried, and the settings that the next one changes."""
        content = {"cause": cause, "reason": reason, "changes": dict(changes), "seconds": seconds}
        self._emit(EventKind.TRIAL_RETRIED, number, **content)

    def pause(self, number: int) -> None:
        """Pause a trial."""
        self._emit(EventKind.TRIAL_PAUSED, number)

    def resume(self, number: int, **content: Any) -> None:
        """Resume a paused trial, as it was or as a clone of another one."""
        self._emit(EventKind.TRIAL_RESUMED, number, **content)

    def end(self, number: int, state: State, reason: str, trace: str = "", seconds: float = 0.0) -> None:
        """End a trial; a second end changes nothing."""
        trial = self.trials[number]
        if trial.state is State.RUNNING:
            content = {"state": state.value, "reason": reason, "epoch": trial.epoch}
            self._emit(EventKind.TRIAL_ENDED, number, **content, trace=trace, seconds=seconds)

    def conclude(self, metrics: Mapping[str, float], files: Sequence[str], tags: Mapping[str, str]) -> None:
        """Record the results of the search."""
        content = {"metrics": dict(metrics), "files": list(files), "tags": dict(tags)}
        self._emit(EventKind.STUDY_CONCLUDED, None, **content)

    def end_study(self, state: State, reason: str = "", seconds: Mapping[int, float] | None = None) -> None:
        """End the search, and interrupt the trials that run.

        Args:
            state: of the search.
            reason: why it was interrupted, or "".
            seconds: of running trials since their last event, by number.
        """
        for number in list(self.trials):
            with suppress(OSError):  # on a full disk the event of the search raises below
                self.end(number, State.INTERRUPTED, INTERRUPTED, seconds=(seconds or {}).get(number, 0.0))
        counts = Counter(trial.state.value for trial in self.ordered)
        self._emit(EventKind.STUDY_ENDED, None, state=state.value, reason=reason, trials=dict(counts))

    def apply(self, event: Event) -> None:
        """Apply an event without passing it on, as on a resume."""
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

    def _emit(self, kind: EventKind, number: int | None, **content: Any) -> None:
        event = Event(kind, number, content)
        self.apply(event)
        failed: list[OSError] = []
        for listener in self._listeners:
            try:
                listener.on_event(event)
            except OSError as error:  # one listener's full disk must not keep the event from the others
                failed.append(error)
        if failed:
            raise failed[0]
