"""Where the points of trials come from: a sampler that learns, or a fixed plan."""

from __future__ import annotations

from typing import Protocol

from tuner.record import State
from tuner.space import Point


class Source(Protocol):
    """Ask for a point, tell what became of it."""

    def ask(self) -> tuple[int, Point]:
        """The next trial's number, counted from 0, and its point."""
        ...

    def report(self, number: int, epoch: int, value: float) -> None:
        """A value of the metric after an epoch."""
        ...

    def tell(self, number: int, state: State, value: float) -> None:
        """How a trial ended, and its last value."""
        ...
