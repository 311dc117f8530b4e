"""The steps of a trial's life, written to the journal first, then passed to searcher and scheduler."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from tuner.controller.attempts import TrialQueue
from tuner.controller.budget import Spending
from tuner.controller.retry import Failure
from tuner.errors import lines
from tuner.journal.record import State, StudyRecord, TrialRecord
from tuner.schedulers.scheduler import CONTINUE, Action, Decision, Scheduler
from tuner.searchers.searcher import Searcher, Suggestion
from tuner.storage.storage import Storage
from tuner.study.study import Study


class TrialLifecycle:
    """One method per step of one trial. `tuner.controller.replay` repeats these steps from a journal.

    Args:
        searcher: receives reports and ends.
        scheduler: receives begins, reports, resumes and ends.
        record: receives everything; its first listener is the journal.
        storage: holds the checkpoints of trials.
        spending: counts the time that a trial holds its resources.

    Attributes:
        queue: which trials wait, run or are paused.
    """

    def __init__(
        self, searcher: Searcher, scheduler: Scheduler, record: StudyRecord, storage: Storage,
        spending: Spending,
    ) -> None:  # fmt: skip
        self.searcher, self.scheduler, self.record = searcher, scheduler, record
        self._storage, self._spending = storage, spending
        self.queue = TrialQueue()

    def begin(self, suggestion: Suggestion) -> None:
        """Begin a new trial; it waits for a slot."""
        self.record.start(suggestion.number, suggestion.params, suggestion.encoded)
        self.scheduler.begin(suggestion.number, suggestion.params)
        self.queue.wait(suggestion.number)

    def report(
        self, trial: TrialRecord, epoch: int, metrics: Mapping[str, float], checkpoint: str | None
    ) -> Decision:
        """Record one report and return the scheduler's decision on it."""
        self.record.report(trial.number, epoch, metrics, checkpoint, self._spending.lap(trial.number))
        self.searcher.report(trial.number, epoch, trial.metrics)
        return self.scheduler.report(trial.number, epoch, trial.metrics)

    def retry(self, trial: TrialRecord, failure: Failure, changes: Mapping[str, Any]) -> None:
        """Record a lost attempt; the trial waits for its next one."""
        seconds = self._spending.ended(trial.number)
        self.record.retry(trial.number, failure.cause, failure.reason, changes, seconds)
        self.queue.wait(trial.number)

    def pause(self, trial: TrialRecord) -> None:
        """Pause a trial: it gives back its resources until the scheduler resumes it."""
        self._spending.ended(trial.number)
        self.record.pause(trial.number)
        self.queue.pause(trial.number)

    def resume(self, trial: TrialRecord, decision: Decision) -> None:
        """Resume a paused trial, from its own checkpoint or as a clone of another trial.

        Where the other trial's checkpoint cannot be copied, it resumes from its own.
        """
        content: dict[str, Any] = {"donor": None}
        if decision.action is Action.CLONE:
            try:
                content = self._cloned(trial, decision)
            except OSError as error:
                print(f"warning: trial {trial.number} is not cloned: {lines(error)[0]}", file=sys.stderr)
                decision = CONTINUE
        self.record.resume(trial.number, action=decision.action.value, reason=decision.reason, **content)
        self.scheduler.resumed(trial.number, decision)
        self.queue.wait(trial.number)

    def interrupt(self, trial: TrialRecord, reason: str) -> None:
        """End a trial for this session; a resumed search runs it again from its last checkpoint."""
        seconds = self._spending.ended(trial.number)
        self.record.end(trial.number, State.INTERRUPTED, reason, seconds=seconds)
        self.queue.drop(trial.number)

    def end(self, trial: TrialRecord, state: State, reason: str, trace: str = "") -> None:
        """End a trial for good."""
        self.record.end(trial.number, state, reason, trace, self._spending.ended(trial.number))
        self.queue.drop(trial.number)
        self.searcher.tell(trial.number, trial.state, trial.metrics)
        self.scheduler.end(trial.number, trial.state)

    def _cloned(self, trial: TrialRecord, decision: Decision) -> dict[str, Any]:
        """Copy the donor's checkpoint, which the donor will soon remove; return the event's content."""
        donor = self.record.trials[decision.donor if decision.donor is not None else trial.number]
        checkpoint = None
        if donor.checkpoint is not None:
            checkpoint = f"trials/{trial.number:04d}/{donor.saved:04d}-of-{donor.number:04d}"
            self._storage.copy(donor.checkpoint, checkpoint)
        return {
            "donor": donor.number, "params": decision.params, "epoch": donor.saved, "checkpoint": checkpoint,
        }  # fmt: skip


def end_of(trial: TrialRecord, decision: Decision, study: Study) -> tuple[State, str] | None:
    """Return the state and reason with which a trial's last report ends it, or None if it does not.

    Args:
        trial: with the report applied.
        decision: the scheduler's, on that report.
        study: gives metric and number of reports.
    """
    if trial.epoch and not math.isfinite(trial.value):
        return State.FAILED, Failure.not_finite(study.metric.name, trial.value, trial.epoch).reason
    if trial.epoch >= study.max_reports:
        return State.COMPLETE, ""
    return (State.STOPPED, decision.reason) if decision.action is Action.STOP else None
