"""How long trials have held their resources; those of a stack share them."""

from __future__ import annotations

from collections.abc import Callable


class ResourceClock:
    """Seconds by trial: of a stack of four each is counted a quarter while all four are there.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[int, float] = {}  # trial -> up to when its share is added up
        self._shares: dict[int, float] = {}
        self._stacks: dict[int, str] = {}

    def begin(self, number: int, stack: str | None = None) -> None:
        """A trial holds resources from now on, with those that are in the stack of that name."""
        name = f"trial {number}" if stack is None else stack
        self._add_up(name)
        self._since[number], self._shares[number], self._stacks[number] = self._clock(), 0.0, name

    def take(self, number: int) -> float:
        """Seconds of a trial since they were taken last; 0 where it holds nothing."""
        if number not in self._since:
            return 0.0
        self._add_up(self._stacks[number])
        seconds, self._shares[number] = self._shares[number], 0.0
        return seconds

    def end(self, number: int) -> float:
        """As `take`; the trial has given its resources back."""
        seconds = self.take(number)
        for part in (self._since, self._shares, self._stacks):
            part.pop(number, None)
        return seconds

    def untaken(self) -> float:
        """Seconds of all trials that were not taken yet; may be asked from any thread."""
        now, stacks = self._clock(), list(self._stacks.values())
        running = [(now - since, self._stacks.get(number)) for number, since in list(self._since.items())]
        return sum(self._shares.copy().values()) + sum(
            seconds / max(1, stacks.count(str(name))) for seconds, name in running
        )

    def _add_up(self, stack: str) -> None:
        """Give each member of a stack its share of the time since this was done last."""
        members = [number for number, name in self._stacks.items() if name == stack]
        now = self._clock()
        for number in members:
            self._shares[number] += (now - self._since[number]) / len(members)
            self._since[number] = now
