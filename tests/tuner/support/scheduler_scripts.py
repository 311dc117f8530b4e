"""Drives a scheduler as a search does, from any script of values, and records the calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tuner.journal.record import State
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.scheduler import Action, Decision, Scheduler
from tuner.space.space import Params
from tuner.study.study import Study

METRIC = "dev/loss"
Call = tuple[str, tuple[Any, ...]]
Curve = Callable[[int, int, Params], float]  # number, epoch, params -> value


def replayed(study: Study, calls: list[Call]) -> Scheduler:
    """Return a new scheduler after the same calls."""
    scheduler = build_scheduler(study)
    for name, arguments in calls:
        getattr(scheduler, name)(*arguments)
    return scheduler


@dataclass
class Play:
    """One search without machines: `slots` trials at a time, each report takes as long as any other.

    Attributes:
        study, points, curve: what is searched, the trials' points, what they report.
        slots: trials at a time.
        again: before each decision of the scheduler it is replaced by a new one after the same calls.
    """

    study: Study
    points: list[Params]
    curve: Curve
    slots: int = 1
    again: bool = False
    calls: list[Call] = field(default_factory=list)
    decisions: list[tuple[int, int, Decision]] = field(default_factory=list)  # number, epoch
    epochs: dict[int, int] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    states: dict[int, State] = field(default_factory=dict)
    spent: int = 0

    def __post_init__(self) -> None:
        self.scheduler = build_scheduler(self.study)
        self.now = list(self.points)
        self._held: list[int] = []
        self._running: list[int] = []

    def run(self, budget: int | None = None) -> Play:
        """Until all is over, or `budget` reports were made."""
        self._fill()
        while self._running and (budget is None or self.spent < budget):
            number = self._running.pop(0)
            self._step(number)
            self._fill()
        return self

    @property
    def complete(self) -> list[int]:
        """Trials that ran to their end."""
        return [number for number, state in self.states.items() if state is State.COMPLETE]

    def tell(self, name: str, *arguments: Any) -> Any:
        """A call that a resumed search would repeat."""
        if self.again:
            self.scheduler = replayed(self.study, self.calls)
        self.calls.append((name, arguments))
        return getattr(self.scheduler, name)(*arguments)

    def _step(self, number: int) -> None:
        self.epochs[number] += 1
        self.spent += 1
        epoch = self.epochs[number]
        self.last[number] = self._value(number, epoch)
        decision = self.tell("report", number, epoch, {METRIC: self.last[number]})
        if epoch >= self.study.max_reports:
            self._end(number, State.COMPLETE)
            return
        self.decisions.append((number, epoch, decision))
        if decision.action is Action.STOP:
            self._end(number, State.STOPPED)
        elif decision.action is Action.PAUSE:
            self._held.append(number)
        else:
            self._running.append(number)

    def _value(self, number: int, epoch: int) -> float:
        return self.curve(number, epoch, self.now[number])

    def _move(self, number: int, donor: int, params: Params) -> None:
        self.epochs[number], self.now[number] = self.epochs[donor], params

    def _end(self, number: int, state: State) -> None:
        self.states[number] = state
        self.tell("end", number, state)

    def _fill(self) -> None:
        while len(self._running) < self.slots:
            if len(self.epochs) < len(self.points):
                number = len(self.epochs)
                self.epochs[number] = 0
                self.tell("begin", number, self.points[number])
                self._running.append(number)
            elif not self._release():
                return

    def _release(self) -> bool:
        if self.again:
            self.scheduler = replayed(self.study, self.calls)
        released = self.scheduler.resume(tuple(self._held), not self._running) if self._held else {}
        assert self._running or released or not self._held, "held for ever"
        for number, decision in released.items():
            self._held.remove(number)
            self.decisions.append((number, self.epochs[number], decision))
            if decision.action is Action.STOP:
                self._end(number, State.STOPPED)
                continue
            if decision.action is Action.CLONE:
                assert decision.donor is not None
                assert decision.params is not None
                self._move(number, decision.donor, decision.params)
            self.tell("resumed", number, decision)
            self._running.append(number)
        return bool(released)


def stopped(play: Play) -> Iterator[int]:
    """Trials that the scheduler stopped, in order."""
    return (number for number, _, decision in play.decisions if decision.action is Action.STOP)
