"""Seconds that trials have held their resources; the members of a stack share them."""

from __future__ import annotations

from collections.abc import Callable


class ResourceClock:
    """Counts seconds per trial. While a stack has four members, each is charged a quarter of the time.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[int, float] = {}  # trial -> time up to which its share is added up
        self._shares: dict[int, float] = {}  # trial -> seconds not taken yet
        self._stacks: dict[int, str] = {}  # trial -> name of its stack

    def begin(self, number: int, stack: str | None = None) -> None:
        """Start counting for a trial, as a member of the stack of that name where there is one."""
        name = f"trial {number}" if stack is None else stack
        self._add_up(name)
        self._since[number], self._shares[number], self._stacks[number] = self._clock(), 0.0, name

    def take(self, number: int) -> float:
        """Return a trial's seconds since the last call; 0 for a trial that holds nothing."""
        if number not in self._since:
            return 0.0
        self._add_up(self._stacks[number])
        seconds, self._shares[number] = self._shares[number], 0.0
        return seconds

    def end(self, number: int) -> float:
        """Return the seconds as `take` does, and stop counting for the trial."""
        seconds = self.take(number)
        for part in (self._since, self._shares, self._stacks):
            part.pop(number, None)
        return seconds

    def untaken(self) -> float:
        """Return the seconds of all trials that were not taken yet; safe from any thread."""
        now, stacks = self._clock(), list(self._stacks.values())
        running = [(now - since, self._stacks.get(number)) for number, since in list(self._since.items())]
        return sum(self._shares.copy().values()) + sum(
            seconds / max(1, stacks.count(str(name))) for seconds, name in running
        )

    def _add_up(self, stack: str) -> None:
        """Give each member its share of the time since the last change: called before members come or go."""
        members = [number for number, name in self._stacks.items() if name == stack]
        now = self._clock()
        for number in members:
            self._shares[number] += (now - self._since[number]) / len(members)
            self._since[number] = now
