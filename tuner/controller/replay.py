"""Resume: replays the journal of earlier sessions into record, searcher, scheduler and retry policy.

Searcher and scheduler are deterministic functions of the calls they receive. So their state is not saved: the
same calls in the same order bring them back to it.
"""

from __future__ import annotations

from tuner.controller.lifecycle import TrialLifecycle
from tuner.controller.retry import RetryPolicy
from tuner.journal.event import Event, EventKind
from tuner.journal.record import State, TrialRecord
from tuner.schedulers.scheduler import CONTINUE, Action, Decision, Scheduler
from tuner.searchers.searcher import Suggestion


class Replay:
    """Applies the events of a journal, one after another.

    A crash may fall between a report and what the scheduler's answer to it leads to. `decisions` keeps that
    answer until an event shows that it was carried out; what is left at the end must still be carried out.

    Args:
        lifecycle: no trial has begun in it.
        policy: has seen no trial end.

    Attributes:
        decisions: the scheduler's decision on a trial's last report, by trial, where nothing followed it.
        halted: why no more trials begin, if the session crashed before it could say so.
    """

    def __init__(self, lifecycle: TrialLifecycle, policy: RetryPolicy) -> None:
        self._lifecycle, self._policy = lifecycle, policy
        self.decisions: dict[int, Decision] = {}
        self.halted = ""

    def apply(self, event: Event) -> None:
        """Apply the next event of the journal."""
        lifecycle = self._lifecycle
        lifecycle.record.apply(event)
        if event.kind is EventKind.STUDY_ENDED:  # a resume after a halt is meant to try again
            self.halted = ""
            self._policy.reset()
        if event.trial is None:
            return
        trial = lifecycle.record.trials[event.trial]
        if event.kind is EventKind.TRIAL_REPORTED:
            lifecycle.searcher.report(trial.number, trial.epoch, trial.metrics)
            self.decisions[trial.number] = replay_to(lifecycle.scheduler, trial, event)
        elif event.kind is EventKind.TRIAL_ENDED:
            self._end(trial, event)
        elif event.kind is not EventKind.TRIAL_SAVED:
            self.decisions.pop(trial.number, None)
            self._requeue(trial, event)

    def _requeue(self, trial: TrialRecord, event: Event) -> None:
        """Put a trial that started, retries, paused or resumed into its queue; nothing runs during replay."""
        lifecycle = self._lifecycle
        if event.kind is EventKind.TRIAL_PAUSED:
            lifecycle.queue.pause(trial.number)
            return
        lifecycle.queue.wait(trial.number)
        if event.kind is EventKind.TRIAL_STARTED:
            lifecycle.searcher.recall(Suggestion(trial.number, trial.params, trial.encoded))
        replay_to(lifecycle.scheduler, trial, event)

    def _end(self, trial: TrialRecord, event: Event) -> None:
        if trial.state is State.INTERRUPTED:  # it keeps its place in the queue and runs again
            return
        self.decisions.pop(trial.number, None)
        self._lifecycle.queue.drop(trial.number)
        self._lifecycle.searcher.tell(trial.number, trial.state, trial.metrics)
        replay_to(self._lifecycle.scheduler, trial, event)
        self.halted = self.halted or self._policy.repeated(trial, event["trace"])


def replay_to(scheduler: Scheduler, trial: TrialRecord, event: Event) -> Decision:
    """Make the call on a scheduler that led to an event or followed it.

    Args:
        scheduler: has received the events before.
        trial: of the event, which its record has applied already.
        event: of the journal; a kind that no scheduler sees is ignored.
    Returns:
        Its decision on a report, else CONTINUE.
    """
    if event.kind is EventKind.TRIAL_STARTED:
        scheduler.begin(trial.number, trial.params)
    elif event.kind is EventKind.TRIAL_REPORTED:
        return scheduler.report(trial.number, trial.epoch, trial.metrics)
    elif event.kind is EventKind.TRIAL_RESUMED:
        scheduler.resumed(trial.number, _decision(event))
    elif event.kind is EventKind.TRIAL_ENDED and trial.state is not State.INTERRUPTED:
        scheduler.end(trial.number, trial.state)
    return CONTINUE


def _decision(event: Event) -> Decision:
    if event["donor"] is None:
        return CONTINUE
    return Decision(Action.CLONE, event["reason"], event["donor"], event["params"])
