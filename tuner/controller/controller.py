"""The controller of a search, independent of what runs its trials.

A trial runs in attempts. An attempt ends with its trial, or because its process died, because the scheduler
paused the trial, or because the search ended. The next attempt resumes from the trial's last checkpoint, in
this session or a later one. All that a later session needs is in the journal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tuner.controller.attempts import Attempt
from tuner.controller.budget import Spending, Spent, Stages, finals_s
from tuner.controller.lifecycle import TrialLifecycle, end_of
from tuner.controller.replay import Replay
from tuner.controller.retry import Failure, RetryPolicy
from tuner.controller.stacking import Stacking
from tuner.journal.event import Event
from tuner.journal.record import State, StudyRecord, TrialRecord
from tuner.schedulers.scheduler import CONTINUE, Action, Decision, Scheduler
from tuner.searchers.searcher import Searcher
from tuner.space.space import with_values
from tuner.storage.storage import Storage
from tuner.study.study import Study


class Controller:
    """Decides what runs and what ends; runs nothing itself. All methods but `spent` belong to one thread.

    Args:
        study: its settings prepared.
        searcher: proposes each trial's params.
        scheduler: stops, pauses and clones trials.
        record: receives every event; its first listener is the journal.
        storage: holds the checkpoints of trials.
        policy: decides what a failure costs.
        clock: returns seconds.
        stages: what earlier stages of the same search spent, and the slots of this one.
        stacking: which trials can share a stack; None for none.

    Attributes:
        halted: why no more trials run, "" while they do.
        budget_over: the budget is why.
        stacking: which trials can share a stack.
    """

    def __init__(
        self, study: Study, searcher: Searcher, scheduler: Scheduler, record: StudyRecord, storage: Storage,
        policy: RetryPolicy, clock: Callable[[], float] = time.monotonic, stages: Stages | None = None,
        stacking: Stacking | None = None,
    ) -> None:  # fmt: skip
        self.study, self.record = study, record
        self.stacking = stacking or Stacking()
        self.halted, self.budget_over = "", False
        self._searcher, self._scheduler, self._policy = searcher, scheduler, policy
        self._spending = Spending(study, clock, stages)
        self._lifecycle = TrialLifecycle(searcher, scheduler, record, storage, self._spending)
        self._queue = self._lifecycle.queue
        self._exhausted = False  # the searcher had nothing more while nothing ran

    @property
    def finished(self) -> bool:
        """Return whether nothing runs, nothing waits and nothing will begin."""
        return not self._queue.running and (bool(self.halted) or not self.remaining)

    @property
    def remaining(self) -> int:
        """Return how many trials do not run now but may run later."""
        new = self.study.trials - len(self.record.trials) if self._more else 0
        return len(self._queue.waiting) + len(self._queue.paused) + new

    @property
    def _more(self) -> bool:
        return len(self.record.trials) < self.study.trials and not self._exhausted

    def next_attempt(self) -> Attempt | None:
        """Return the next attempt to run, or None if there is nothing to run now.

        Waiting trials come first (retries, resumed ones), then new trials, then paused ones that the
        scheduler resumes: a new trial may be what a paused one waits for.
        """
        self.check_budget()
        while not self.halted and not self._queue.waiting:
            if not self._ask() and not self._resume_paused():
                break
        if self.halted or not self._queue.waiting:
            return None
        return self._begin(self._queue.waiting[0])

    def next_for_stack(self, key: str, free: int) -> list[Attempt]:
        """Return up to `free` further attempts for a stack of this key.

        New trials are begun to find some that fit; those that do not fit wait. At most as many wait as a
        stack has members.
        """
        self.check_budget()
        attempts = list[Attempt]()
        while not self.halted and len(attempts) < free:
            number = next((each for each in self._queue.waiting if self._key(each) == key), None)
            if number is not None:
                attempts.append(self._begin(number))
            elif len(self._queue.waiting) >= self.stacking.size or not (self._ask() or self._resume_paused()):
                break
        return attempts

    def began(self, attempt: Attempt, stack: str | None = None) -> None:
        """Note that an attempt has its resources, shared with a stack of that name where there is one."""
        if self._live(attempt):
            self._spending.began(attempt.number, stack)

    def reported(
        self, attempt: Attempt, epoch: int, metrics: Mapping[str, float], checkpoint: str | None
    ) -> bool:
        """Take one report of an attempt.

        Args:
            attempt: that reports.
            epoch: number of the trial's report, from 1 over all attempts.
            metrics: name -> value.
            checkpoint: name of the checkpoint saved with it, or None.
        Returns:
            Whether the attempt ends with this report.
        """
        if not self._live(attempt):
            return True
        trial = self.record.trials[attempt.number]
        if epoch <= trial.epoch:  # an attempt that resumed from an earlier checkpoint repeats a report
            if checkpoint is not None:
                self.record.save(trial.number, epoch, checkpoint)
            return False
        name, value = self.study.metric.name, float(metrics.get(self.study.metric.name, math.nan))
        if not math.isfinite(value) and self._retry(trial, Failure.not_finite(name, value, epoch)):
            return True
        ended = self._carry_out(trial, self._lifecycle.report(trial, epoch, metrics, checkpoint))
        self.check_budget()
        if self.halted and not ended:
            self._lifecycle.interrupt(trial, self.halted)
        return ended or bool(self.halted)

    def live(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """Return the attempts that still run."""
        return [each for each in attempts if self._live(each)]

    def returned(self, attempt: Attempt) -> None:
        """Note that a trial function returned; one that did so before its last report has failed."""
        if self._live(attempt) and not self.halted:
            trial, full = self.record.trials[attempt.number], self.study.max_reports
            self._end(trial, State.FAILED, f"ended by itself after {trial.epoch} of {full} reports")

    def failed(self, attempt: Attempt, failure: Failure) -> None:
        """Note that an attempt failed: its trial is retried or has failed."""
        if self._live(attempt):
            trial = self.record.trials[attempt.number]
            if not self._retry(trial, failure):
                self._end(trial, State.FAILED, failure.reason, failure.trace)

    def interrupt(self, reason: str) -> None:
        """Halt the search, unless it is finished; the executor ends the trials that run."""
        if not self.finished:
            self.halted = self.halted or reason

    def check_budget(self) -> None:
        """Halt the search if the budget is spent, less what the finalists need."""
        reserved_s = finals_s(self.study, self.record.trials.values())
        if not self.halted and (reason := self._spending.over(reserved_s)):
            self.budget_over = True
            self.interrupt(reason)

    def spent(self) -> Spent:
        """Return what this stage has spent, earlier sessions included; safe from any thread."""
        return self._spending.spent()

    def end(self, state: State) -> None:
        """End the search, counting what its running trials took since their last reports."""
        seconds = {number: self._spending.ended(number) for number in self._queue.running}
        self.record.end_study(state, self.halted, seconds)

    def resume(self, events: Iterable[Event]) -> None:
        """Resume from a journal, and carry out the decisions that a crash left undone."""
        past, replay = list(events), Replay(self._lifecycle, self._policy)
        for event in past:
            replay.apply(event)
        self.halted = replay.halted
        self._spending.recall(past)
        self.record.resume_study(self.study.trials, self.study.resources.model_dump())
        for number in list(self._queue.waiting):
            self._carry_out(self.record.trials[number], replay.decisions.get(number, CONTINUE))

    def _begin(self, number: int) -> Attempt:
        trial, key = self.record.trials[number], self._key(number)
        count = self._queue.begin(number)
        return Attempt(number, count, self._config(trial), trial.checkpoint, trial.saved, trial.cloned, key)

    def _key(self, number: int) -> str | None:
        """Return what the trials of one stack have in common; None for a trial that runs alone."""
        trial = self.record.trials[number]
        return None if trial.alone else self.stacking.key(self._config(trial))

    def _live(self, attempt: Attempt) -> bool:
        return self._queue.runs(attempt.number, attempt.count)

    def _retry(self, trial: TrialRecord, failure: Failure) -> bool:
        """Retry a trial if its failure allows that; return whether it does."""
        changes = self._policy.changes(trial, failure, self._config(trial))
        if changes is not None:
            self._lifecycle.retry(trial, failure, changes)
        return changes is not None

    def _carry_out(self, trial: TrialRecord, decision: Decision) -> bool:
        """End or pause a trial as its last report demands; return whether its attempt ends."""
        end = end_of(trial, decision, self.study)
        if end is not None:
            self._end(trial, *end)
        elif decision.action is Action.PAUSE:
            self._lifecycle.pause(trial)
        return end is not None or decision.action is Action.PAUSE

    def _end(self, trial: TrialRecord, state: State, reason: str, trace: str = "") -> None:
        self._lifecycle.end(trial, state, reason, trace)
        if repeated := self._policy.repeated(trial, trace):
            self.interrupt(repeated)

    def _ask(self) -> bool:
        """Begin a new trial if the searcher has one; return whether it had."""
        suggestion = self._searcher.ask() if self._more else None
        if suggestion is None:
            self._exhausted = not self._queue.running and not self._queue.paused
        else:
            self._lifecycle.begin(suggestion)
        return suggestion is not None

    def _resume_paused(self) -> bool:
        """Resume or stop the paused trials that the scheduler names; return whether there were any."""
        paused = tuple(self._queue.paused)
        decisions = self._scheduler.resume(paused, idle=not self._queue.running) if paused else {}
        for number, decision in decisions.items():
            trial = self.record.trials[number]
            if decision.action is Action.STOP:
                self._end(trial, State.STOPPED, decision.reason)
            else:
                self._lifecycle.resume(trial, decision)
        return bool(decisions)

    def _config(self, trial: TrialRecord) -> dict[str, Any]:
        return with_values(self.study.config(trial.params), trial.changes)
