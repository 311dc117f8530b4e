"""What happens to a trial, told to everybody who keeps count: the journal first, then who learns from it."""

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
    """Each method is one step of one trial. `tuner.controller.replay` takes the same steps from a journal.

    Args:
        source: told of reports and ends.
        rule: told of begins, reports, releases and ends.
        record: told of everything.
        storage: where the states of trials are.
        spending: told when a trial gives its resources back.

    Attributes:
        queue: where each trial stands.
    """

    def __init__(
        self, source: Searcher, rule: Scheduler, record: StudyRecord, storage: Storage, spending: Spending
    ) -> None:
        self.source, self.rule, self.record = source, rule, record
        self._storage, self._spending = storage, spending
        self.queue = TrialQueue()

    def begin(self, suggestion: Suggestion) -> None:
        """A new trial waits to run."""
        self.record.start(suggestion.number, suggestion.params, suggestion.encoded)
        self.rule.begin(suggestion.number, suggestion.params)
        self.queue.wait(suggestion.number)

    def report(
        self, trial: TrialRecord, epoch: int, metrics: Mapping[str, float], checkpoint: str | None
    ) -> Decision:
        """A trial reports; what the scheduler makes of it."""
        self.record.report(trial.number, epoch, metrics, checkpoint, self._spending.lap(trial.number))
        self.source.report(trial.number, epoch, trial.metrics)
        return self.rule.report(trial.number, epoch, trial.metrics)

    def retry(self, trial: TrialRecord, failure: Failure, changes: Mapping[str, Any]) -> None:
        """An attempt is lost, another one waits to run."""
        seconds = self._spending.ended(trial.number)
        self.record.retry(trial.number, failure.cause, failure.reason, changes, seconds)
        self.queue.wait(trial.number)

    def pause(self, trial: TrialRecord) -> None:
        """A trial gives its place back and is held."""
        self._spending.ended(trial.number)
        self.record.pause(trial.number)
        self.queue.pause(trial.number)

    def resume(self, trial: TrialRecord, decision: Decision) -> None:
        """A trial that was held waits to run, from its own state or from another trial's.

        Where that one's state cannot be copied, it goes on from its own.
        """
        content: dict[str, Any] = {"donor": None}
        if decision.action is Action.CLONE:
            try:
                content = self._moved(trial, decision)
            except OSError as error:
                print(f"warning: trial {trial.number} does not move: {lines(error)[0]}", file=sys.stderr)
                decision = CONTINUE
        self.record.resume(trial.number, action=decision.action.value, reason=decision.reason, **content)
        self.rule.resumed(trial.number, decision)
        self.queue.wait(trial.number)

    def break_off(self, trial: TrialRecord, reason: str) -> None:
        """A trial runs no further in this session."""
        seconds = self._spending.ended(trial.number)
        self.record.end(trial.number, State.INTERRUPTED, reason, seconds=seconds)
        self.queue.drop(trial.number)

    def end(self, trial: TrialRecord, state: State, reason: str, trace: str = "") -> None:
        """A trial is over for good."""
        self.record.end(trial.number, state, reason, trace, self._spending.ended(trial.number))
        self.queue.drop(trial.number)
        self.source.tell(trial.number, trial.state, trial.metrics)
        self.rule.end(trial.number, trial.state)

    def _moved(self, trial: TrialRecord, decision: Decision) -> dict[str, Any]:
        """Give a trial a copy of another one's state, which that one will soon remove."""
        donor = self.record.trials[decision.donor if decision.donor is not None else trial.number]
        checkpoint = None
        if donor.checkpoint is not None:
            checkpoint = f"trials/{trial.number:04d}/{donor.saved:04d}-of-{donor.number:04d}"
            self._storage.copy(donor.checkpoint, checkpoint)
        return {
            "donor": donor.number, "params": decision.params, "epoch": donor.saved, "checkpoint": checkpoint,
        }  # fmt: skip


def end_of(trial: TrialRecord, decision: Decision, study: Study) -> tuple[State, str] | None:
    """How a trial ends with its last report, and why; None: it goes on, or is held.

    Args:
        trial: as it stands.
        decision: what the scheduler made of the report.
        study: its metric and reports are used.
    """
    if trial.epoch and not math.isfinite(trial.value):
        return State.FAILED, Failure.not_finite(study.metric.name, trial.value, trial.epoch).reason
    if trial.epoch >= study.max_reports:
        return State.COMPLETE, ""
    return (State.STOPPED, decision.reason) if decision.action is Action.STOP else None
