"""What a search has spent, and whether that is all it may."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tuner.controller.held import ResourceClock
from tuner.journal.event import SESSIONS, Event, EventKind
from tuner.journal.record import State, TrialRecord
from tuner.study.settings import Budget
from tuner.study.study import Study
from tuner.text import HOUR_S

SPENT = "the budget is spent"
_MOST_KEPT = 0.5  # of a limit: the finals are worth nothing without a search


@dataclass(frozen=True)
class Spent:
    """Hours that a search has taken.

    Attributes:
        gpu_hours: of all trials together; half a GPU for two hours is one.
        wall_hours: of all sessions together, not of the time between them.
    """

    gpu_hours: float = 0.0
    wall_hours: float = 0.0

    def of(self, budget: Budget) -> str:
        """What is spent of what, for a line of text: `0.4 of 1 GPU hours, 1.2 of 8 hours`; "" without any."""
        parts = [
            (self.gpu_hours, budget.gpu_hours, "GPU hours"),
            (self.wall_hours, budget.wall_hours, "hours"),
        ]
        return ", ".join(
            f"{spent:.3g} of {limit:g} {unit}" for spent, limit, unit in parts if limit is not None
        )


@dataclass(frozen=True)
class Stages:
    """Where a stage of a search stands among the others.

    Attributes:
        spent: what earlier stages took.
        queue: how many trials, or stacks of them, run at once.
    """

    spent: Spent = field(default_factory=Spent)
    queue: int = 1


class Spending:
    """Counts against the study's budget; earlier sessions and earlier stages count.

    GPU time is counted while an attempt holds its resources, a share of it in a stack. Of a session that was
    killed it misses what each trial did after its last report.

    Args:
        study: its budget and resources are used.
        clock: seconds.
        past: earlier stages of the same search.
    """

    def __init__(
        self, study: Study, clock: Callable[[], float] = time.monotonic, past: Stages | None = None
    ) -> None:
        self._past = past or Stages()
        self._budget, self._gpus = study.budget, study.resources.gpu * study.resources.workers
        self._clock, self._start = clock, clock()
        self._before_s, self._gpu_s = 0.0, 0.0
        self._held = ResourceClock(clock)

    def recall(self, events: Iterable[Event]) -> None:
        """Count what earlier sessions spent, each with the resources of then.

        Args:
            events: of the journal.
        """
        gpus, before = self._gpus, 0.0
        for event in events:
            if event.kind in SESSIONS:
                gpus = gpus_of(event, gpus)
            else:  # what lies before the begin of a session is no session's
                self._before_s += max(0.0, event.time - before)
            self._gpu_s += gpus * event.content.get("seconds", 0.0)
            before = event.time

    def began(self, number: int, stack: str | None = None) -> None:
        """A trial holds its resources from now on; with the others of its stack, where it has one."""
        self._held.begin(number, stack)

    def lap(self, number: int) -> float:
        """Seconds that a trial has held its resources since they were counted last; now they are counted."""
        return self._counted(self._held.take(number))

    def ended(self, number: int) -> float:
        """As `lap`; the trial has given its resources back."""
        return self._counted(self._held.end(number))

    def _counted(self, seconds: float) -> float:
        self._gpu_s += self._gpus * seconds
        return seconds

    def spent(self) -> Spent:
        """So far in this stage, with what trials that run have taken; may be asked from any thread."""
        now = self._clock()
        gpu_s = self._gpu_s + self._gpus * self._held.untaken()
        return Spent(gpu_s / HOUR_S, (self._before_s + now - self._start) / HOUR_S)

    def over(self, kept_s: float = 0.0) -> str:
        """Why the budget is spent, or "".

        Args:
            kept_s: seconds of trials, added up, that a later stage needs; it gets half of a limit at most.
        """
        spent, before, budget = self.spent(), self._past.spent, self._budget
        kept_gpu, kept_wall = self._gpus * kept_s / HOUR_S, kept_s / self._past.queue / HOUR_S
        return _over(budget.gpu_hours, before.gpu_hours + spent.gpu_hours, kept_gpu, "GPU hours") or _over(
            budget.wall_hours, before.wall_hours + spent.wall_hours, kept_wall, "hours"
        )


def finals_s(study: Study, trials: Iterable[TrialRecord]) -> float:
    """Seconds of trials, added up, that the study's finalists need at most; 0 while nothing says how long.

    Args:
        study: its finalists are used.
        trials: of the search so far.
    """
    if study.finalists is None:
        return 0.0
    complete = [trial.seconds for trial in trials if trial.state is State.COMPLETE]
    runs = study.finalists.top * study.finalists.seeds
    return runs * sum(complete) / len(complete) if complete else 0.0


def _over(limit: float | None, used: float, kept: float, unit: str) -> str:
    if limit is None:
        return ""
    kept = min(kept, _MOST_KEPT * limit)
    if used < limit - kept:
        return ""
    less = f" less {kept:.3g} for the finalists" if kept > 0 else ""
    return f"{SPENT}: {limit:g} {unit}{less}"


def gpus_of(session: Event, otherwise: float) -> float:
    """GPUs of each trial of a session that an event begins; `otherwise` where it does not say."""
    content = session.content["study"] if session.kind is EventKind.STUDY_STARTED else session.content
    resources = content.get("resources")
    return otherwise if resources is None else float(resources["gpu"] * resources.get("workers", 1))
