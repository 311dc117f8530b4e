"""GPU and wall hours of a search, and whether its budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tuner.controller.resource_clock import ResourceClock
from tuner.journal.event import SESSIONS, Event, EventKind
from tuner.journal.record import State, TrialRecord
from tuner.study.settings import Budget
from tuner.study.study import Study
from tuner.text import HOUR_S

SPENT = "the budget is spent"
_MOST_RESERVED = 0.5  # share of a limit: finalists are worth nothing without a search


@dataclass(frozen=True)
class Spent:
    """Hours that a search has spent.

    Attributes:
        gpu_hours: over all trials; half a GPU for two hours is 1.
        wall_hours: over all sessions, without the time between them.
    """

    gpu_hours: float = 0.0
    wall_hours: float = 0.0

    def of(self, budget: Budget) -> str:
        """Return `0.4 of 1 GPU hours, 1.2 of 8 hours`; "" for a budget without limits."""
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
        spent: by earlier stages.
        slots: how many trials, or stacks of them, run at once.
    """

    spent: Spent = field(default_factory=Spent)
    slots: int = 1


class Spending:
    """Counts hours against the study's budget, those of earlier sessions and stages included.

    GPU time is counted while an attempt holds its resources, per member in a stack. It comes from the seconds
    in the journal's events, so a session that was killed lacks what its trials did after their last reports.

    Args:
        study: gives budget and resources.
        clock: returns seconds.
        past: earlier stages of the same search.
    """

    def __init__(
        self, study: Study, clock: Callable[[], float] = time.monotonic, past: Stages | None = None
    ) -> None:
        self._past = past or Stages()
        self._budget, self._gpus = study.budget, study.resources.gpu * study.resources.workers
        self._clock, self._start = clock, clock()
        self._before_s, self._gpu_s = 0.0, 0.0
        self._clocks = ResourceClock(clock)

    def recall(self, events: Iterable[Event]) -> None:
        """Count what earlier sessions spent, each with its own resources.

        Wall time adds up the gaps between events of one session; the gap before the first event of a session
        is the time in which nothing ran.

        Args:
            events: of the journal.
        """
        gpus, before = self._gpus, 0.0
        for event in events:
            if event.kind in SESSIONS:
                gpus = gpus_of(event, gpus)
            else:
                self._before_s += max(0.0, event.time - before)
            self._gpu_s += gpus * event.content.get("seconds", 0.0)
            before = event.time

    def began(self, number: int, stack: str | None = None) -> None:
        """Start counting for a trial, as a member of its stack where it has one."""
        self._clocks.begin(number, stack)

    def lap(self, number: int) -> float:
        """Count and return the seconds of a trial since they were counted last."""
        return self._counted(self._clocks.take(number))

    def ended(self, number: int) -> float:
        """Count and return the seconds as `lap` does; the trial holds its resources no longer."""
        return self._counted(self._clocks.end(number))

    def _counted(self, seconds: float) -> float:
        self._gpu_s += self._gpus * seconds
        return seconds

    def spent(self) -> Spent:
        """Return what this stage has spent, running trials included; safe from any thread."""
        now = self._clock()
        gpu_s = self._gpu_s + self._gpus * self._clocks.untaken()
        return Spent(gpu_s / HOUR_S, (self._before_s + now - self._start) / HOUR_S)

    def over(self, reserved_s: float = 0.0) -> str:
        """Return why the budget is spent, or "" if it is not.

        Args:
            reserved_s: seconds of trials, added up, that a later stage needs; half of a limit at most.
        """
        spent, before, budget = self.spent(), self._past.spent, self._budget
        gpu, wall = self._gpus * reserved_s / HOUR_S, reserved_s / self._past.slots / HOUR_S
        return _over(budget.gpu_hours, before.gpu_hours + spent.gpu_hours, gpu, "GPU hours") or _over(
            budget.wall_hours, before.wall_hours + spent.wall_hours, wall, "hours"
        )


def finals_s(study: Study, trials: Iterable[TrialRecord]) -> float:
    """Return the seconds of trials, added up, that the study's finalists need at most.

    Args:
        study: gives the number of finalists and seeds.
        trials: of the search so far; the mean of the complete ones is the length of a finalist's trial.
    Returns:
        Seconds; 0 without finalists or without a complete trial.
    """
    if study.finalists is None:
        return 0.0
    complete = [trial.seconds for trial in trials if trial.state is State.COMPLETE]
    runs = study.finalists.top * study.finalists.seeds
    return runs * sum(complete) / len(complete) if complete else 0.0


def _over(limit: float | None, used: float, reserved: float, unit: str) -> str:
    if limit is None:
        return ""
    reserved = min(reserved, _MOST_RESERVED * limit)
    if used < limit - reserved:
        return ""
    minus = f" minus {reserved:.3g} for the finalists" if reserved > 0 else ""
    return f"{SPENT}: {limit:g} {unit}{minus}"


def gpus_of(session: Event, otherwise: float) -> float:
    """Return the GPUs of each trial in the session that this event begins; `otherwise` if it has none."""
    content = session.content["study"] if session.kind is EventKind.STUDY_STARTED else session.content
    resources = content.get("resources")
    return otherwise if resources is None else float(resources["gpu"] * resources.get("workers", 1))
