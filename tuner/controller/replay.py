"""Where an earlier session stood: its journal, told once more to everybody who learned from it."""

from __future__ import annotations

from tuner.controller.lifecycle import TrialLifecycle
from tuner.controller.retry import RetryPolicy
from tuner.journal.event import Event, EventKind
from tuner.journal.record import State, TrialRecord
from tuner.schedulers.scheduler import CONTINUE, Action, Decision
from tuner.searchers.searcher import Suggestion


class Recovery:
    """Tells record, sampler, scheduler and policy the same things in the same order.

    Args:
        lifecycle: no trial has begun there.
        policy: has seen nothing yet.

    Attributes:
        decisions: what the scheduler made of a trial's last report, where nothing has followed from it yet.
        halted: why no more trials were begun, if the session was broken off before it could say so.
    """

    def __init__(self, lifecycle: TrialLifecycle, policy: RetryPolicy) -> None:
        self._lifecycle, self._policy = lifecycle, policy
        self.decisions: dict[int, Decision] = {}
        self.halted = ""

    def take(self, event: Event) -> None:
        """The next event of the journal."""
        lifecycle = self._lifecycle
        lifecycle.record.apply(event)
        if event.kind is EventKind.STUDY_ENDED:  # whoever goes on after a halt wants it tried again
            self.halted = ""
            self._policy.reset()
        if event.trial is None:
            return
        trial = lifecycle.record.trials[event.trial]
        if event.kind is EventKind.TRIAL_REPORTED:
            lifecycle.source.report(trial.number, trial.epoch, trial.metrics)
            self.decisions[trial.number] = lifecycle.rule.report(trial.number, trial.epoch, trial.metrics)
        elif event.kind is EventKind.TRIAL_ENDED:
            self._ended(trial, event["trace"])
        elif event.kind is not EventKind.TRIAL_SAVED:
            self.decisions.pop(trial.number, None)
            self._moved(trial, event)

    def _moved(self, trial: TrialRecord, event: Event) -> None:
        lifecycle = self._lifecycle
        if event.kind is EventKind.TRIAL_PAUSED:
            lifecycle.queue.pause(trial.number)
            return
        lifecycle.queue.wait(trial.number)
        if event.kind is EventKind.TRIAL_STARTED:
            lifecycle.source.recall(Suggestion(trial.number, trial.params, trial.encoded))
            lifecycle.rule.begin(trial.number, trial.params)
        elif event.kind is EventKind.TRIAL_RESUMED:
            lifecycle.rule.resumed(trial.number, _decision(event))

    def _ended(self, trial: TrialRecord, trace: str) -> None:
        if trial.state is State.INTERRUPTED:  # it runs, waits or is held where it did
            return
        self.decisions.pop(trial.number, None)
        self._lifecycle.queue.drop(trial.number)
        self._lifecycle.source.tell(trial.number, trial.state, trial.metrics)
        self._lifecycle.rule.end(trial.number, trial.state)
        self.halted = self.halted or self._policy.repeated(trial, trace)


def _decision(event: Event) -> Decision:
    if event["donor"] is None:
        return CONTINUE
    return Decision(Action.CLONE, event["reason"], event["donor"], event["params"])
