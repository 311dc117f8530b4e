"""Where an earlier session stood: its journal, told once more to everybody who learned from it."""

from __future__ import annotations

from tuner.controller.lifecycle import Course
from tuner.controller.retry import Policy
from tuner.journal.event import Event, Kind
from tuner.journal.record import State, TrialRecord
from tuner.schedulers.scheduler import GO, Action, Decision
from tuner.searchers.searcher import Suggestion


class Recovery:
    """Tells record, sampler, scheduler and policy the same things in the same order.

    Args:
        course: no trial has begun there.
        policy: has seen nothing yet.

    Attributes:
        decisions: what the scheduler made of a trial's last report, where nothing has followed from it yet.
        halted: why no more trials were begun, if the session was broken off before it could say so.
    """

    def __init__(self, course: Course, policy: Policy) -> None:
        self._course, self._policy = course, policy
        self.decisions: dict[int, Decision] = {}
        self.halted = ""

    def take(self, event: Event) -> None:
        """The next event of the journal."""
        course = self._course
        course.record.apply(event)
        if event.kind is Kind.STUDY_ENDED:  # whoever goes on after a halt wants it tried again
            self.halted = ""
            self._policy.begin_anew()
        if event.trial is None:
            return
        trial = course.record.trials[event.trial]
        if event.kind is Kind.TRIAL_REPORTED:
            course.source.report(trial.number, trial.epoch, trial.metrics)
            self.decisions[trial.number] = course.rule.report(trial.number, trial.epoch, trial.metrics)
        elif event.kind is Kind.TRIAL_ENDED:
            self._ended(trial, event["trace"])
        elif event.kind is not Kind.TRIAL_SAVED:
            self.decisions.pop(trial.number, None)
            self._moved(trial, event)

    def _moved(self, trial: TrialRecord, event: Event) -> None:
        course = self._course
        if event.kind is Kind.TRIAL_HELD:
            course.places.hold(trial.number)
            return
        course.places.wait(trial.number)
        if event.kind is Kind.TRIAL_STARTED:
            course.source.recall(Suggestion(trial.number, trial.point, trial.knobs))
            course.rule.begin(trial.number, trial.point)
        elif event.kind is Kind.TRIAL_RELEASED:
            course.rule.released(trial.number, _decision(event))

    def _ended(self, trial: TrialRecord, trace: str) -> None:
        if trial.state is State.INTERRUPTED:  # it runs, waits or is held where it did
            return
        self.decisions.pop(trial.number, None)
        self._course.places.drop(trial.number)
        self._course.source.tell(trial.number, trial.state, trial.metrics)
        self._course.rule.end(trial.number, trial.state)
        self.halted = self.halted or self._policy.repeated(trial, trace)


def _decision(event: Event) -> Decision:
    if event["donor"] is None:
        return GO
    return Decision(Action.MOVE, event["reason"], event["donor"], event["params"])
