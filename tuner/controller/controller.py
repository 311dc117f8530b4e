"""The lifecycle of a search, whoever runs its trials: what runs next, what a report means, what a failure costs.

A trial is run in attempts. An attempt ends with the trial, or because a machine died, because the scheduler
wants the place for another trial, or because the search ended; the next attempt goes on from the trial's last
saved state, in this process or in a later one. All that a later process needs is in the journal.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tuner.controller.attempt import Attempt
from tuner.controller.budget import Spending, Spent, Stages, finals_s
from tuner.controller.lifecycle import TrialLifecycle, end_of
from tuner.controller.replay import Recovery
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
    """Decides; runs nothing itself. Every method is called from one thread.

    Args:
        study: its settings prepared.
        source: asked for each trial's params.
        rule: the scheduler.
        record: told of everything, its journal first.
        storage: where the states of trials are.
        policy: what a failure costs.
        clock: seconds.
        stages: where the study stands among the stages of a search.
        stacking: which trials can be trained in one stack; None for none.

    Attributes:
        halted: why no more trials run, "" while they do.
        budget_over: whether that is the budget.
        stacking: which trials can be trained in one stack.
    """

    def __init__(
        self, study: Study, source: Searcher, rule: Scheduler, record: StudyRecord, storage: Storage, policy: RetryPolicy,
        clock: Callable[[], float] = time.monotonic, stages: Stages | None = None,
        stacking: Stacking | None = None,
    ) -> None:  # fmt: skip
        self.study, self.record = study, record
        self.stacking = stacking or Stacking()
        self.halted, self.budget_over = "", False
        self._source, self._scheduler, self._policy = source, rule, policy
        self._spending = Spending(study, clock, stages)
        self._lifecycle = TrialLifecycle(source, rule, record, storage, self._spending)
        self._queue = self._lifecycle.queue
        self._exhausted = False  # the source had nothing more while nothing ran

    @property
    def over(self) -> bool:
        """Nothing runs, nothing waits, nothing will be begun."""
        return not self._queue.running and (bool(self.halted) or not self.left)

    @property
    def left(self) -> int:
        """How many trials do not run, but may yet."""
        unbegun = self.study.trials - len(self.record.trials) if self._more else 0
        return len(self._queue.waiting) + len(self._queue.paused) + unbegun

    @property
    def _more(self) -> bool:
        return len(self.record.trials) < self.study.trials and not self._exhausted

    def next(self) -> Attempt | None:
        """The next attempt, or None: there is nothing to run now."""
        self.watch()
        while not self.halted and not self._queue.waiting:
            if not self._ask() and not self._release():
                break
        if self.halted or not self._queue.waiting:
            return None
        return self._begin(self._queue.waiting[0])

    def joining(self, key: str, free: int) -> list[Attempt]:
        """Up to `free` further attempts, for a stack of this key.

        Trials are begun ahead to find them, until as many wait as a stack has queue.
        """
        self.watch()
        joining = list[Attempt]()
        while not self.halted and len(joining) < free:
            number = next((each for each in self._queue.waiting if self._key(each) == key), None)
            if number is not None:
                joining.append(self._begin(number))
            elif len(self._queue.waiting) >= self.stacking.size or not (self._ask() or self._release()):
                break
        return joining

    def began(self, attempt: Attempt, stack: str | None = None) -> None:
        """An attempt has its resources, shared with a stack's; until now it may have waited for them."""
        if self._live(attempt):
            self._spending.began(attempt.number, stack)

    def reported(
        self, attempt: Attempt, epoch: int, metrics: Mapping[str, float], checkpoint: str | None
    ) -> bool:
        """One report of an attempt.

        Args:
            attempt: whose it is.
            epoch: reports of the trial so far, this one included.
            metrics: what it reported.
            checkpoint: name of the state saved with it, or None.
        Returns:
            Whether the attempt ends with it.
        """
        if not self._live(attempt):
            return True
        trial = self.record.trials[attempt.number]
        if epoch <= trial.epoch:  # of an attempt that repeats what an earlier one lost
            if checkpoint is not None:
                self.record.save(trial.number, epoch, checkpoint)
            return False
        name, value = self.study.metric.name, float(metrics.get(self.study.metric.name, math.nan))
        if not math.isfinite(value) and self._again(trial, Failure.not_finite(name, value, epoch)):
            return True
        ended = self._carry_out(trial, self._lifecycle.report(trial, epoch, metrics, checkpoint))
        self.watch()
        if self.halted and not ended:
            self._lifecycle.break_off(trial, self.halted)
        return ended or bool(self.halted)

    def live(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """Those that still run."""
        return [each for each in attempts if self._live(each)]

    def returned(self, attempt: Attempt) -> None:
        """The trial function returned by itself, or its end was wanted."""
        if self._live(attempt) and not self.halted:
            trial, full = self.record.trials[attempt.number], self.study.max_reports
            self._end(trial, State.FAILED, f"ended by itself after {trial.epoch} of {full} reports")

    def failed(self, attempt: Attempt, failure: Failure) -> None:
        """An attempt failed; the trial goes on with another one or is over."""
        if self._live(attempt):
            trial = self.record.trials[attempt.number]
            if not self._again(trial, failure):
                self._end(trial, State.FAILED, failure.reason, failure.trace)

    def interrupt(self, reason: str) -> None:
        """No more trials run; those that do are ended by whoever runs them. Nothing, once all is over."""
        if not self.over:
            self.halted = self.halted or reason

    def watch(self) -> None:
        """Let no more trials run once the budget is spent."""
        kept_s = finals_s(self.study, self.record.trials.values())
        if not self.halted and (spent := self._spending.over(kept_s)):
            self.budget_over = True
            self.interrupt(spent)

    def spent(self) -> Spent:
        """What this stage has taken so far, earlier sessions included; may be asked from any thread."""
        return self._spending.spent()

    def end(self, state: State) -> None:
        """The search is over; what its running trials took since their last reports is counted."""
        seconds = {number: self._spending.ended(number) for number in self._queue.running}
        self.record.end_study(state, self.halted, seconds)

    def recover(self, events: Iterable[Event]) -> None:
        """Stand where an earlier session stood, of which this is the journal."""
        past, recovery = list(events), Recovery(self._lifecycle, self._policy)
        for event in past:
            recovery.take(event)
        self.halted = recovery.halted
        self._spending.recall(past)
        self.record.resume_study(self.study.trials, self.study.resources.model_dump())
        for number in list(self._queue.waiting):
            self._carry_out(self.record.trials[number], recovery.decisions.get(number, CONTINUE))

    def _begin(self, number: int) -> Attempt:
        number, count = self._queue.begin(number)
        trial = self.record.trials[number]
        config, key = self._config(trial), self._key(number)
        return Attempt(number, count, config, trial.checkpoint, trial.saved, trial.cloned, key)

    def _key(self, number: int) -> str | None:
        """What trials of one stack have in common; None for one that runs alone."""
        trial = self.record.trials[number]
        return None if trial.alone else self.stacking.key(self._config(trial))

    def _live(self, attempt: Attempt) -> bool:
        return self._queue.runs(attempt.number, attempt.count)

    def _again(self, trial: TrialRecord, failure: Failure) -> bool:
        """Let a trial have another attempt, if its failure allows one."""
        changes = self._policy.changes(trial, failure, self._config(trial))
        if changes is not None:
            self._lifecycle.retry(trial, failure, changes)
        return changes is not None

    def _carry_out(self, trial: TrialRecord, decision: Decision) -> bool:
        """End or hold a trial whose last report asks for it; whether it did."""
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
        """Begin a new trial, where there is one to begin."""
        suggestion = self._source.ask() if self._more else None
        if suggestion is None:
            self._exhausted = not self._queue.running and not self._queue.paused
        else:
            self._lifecycle.begin(suggestion)
        return suggestion is not None

    def _release(self) -> bool:
        """Let trials go on that were held, or end them; whether it did."""
        held = tuple(self._queue.paused)
        decisions = self._scheduler.resume(held, idle=not self._queue.running) if held else {}
        for number, decision in decisions.items():
            trial = self.record.trials[number]
            if decision.action is Action.STOP:
                self._end(trial, State.STOPPED, decision.reason)
            else:
                self._lifecycle.resume(trial, decision)
        return bool(decisions)

    def _config(self, trial: TrialRecord) -> dict[str, Any]:
        return with_values(self.study.config(trial.params), trial.changes)
