"""Which trials run, which wait to run, and which are held back until the scheduler lets them go."""

from __future__ import annotations

from collections import Counter, deque


class TrialQueue:
    """Trials by number, each in at most one of three queue.

    In a recovered search trials wait in the order in which they began to, those that ran when it was broken
    off first: so with one at a time they take the turns that they would have taken.

    Attributes:
        waiting: the next one first.
        held: in the order in which they began to wait.
        running: those of which an attempt was handed out.
    """

    def __init__(self) -> None:
        self.waiting: deque[int] = deque()
        self.paused: list[int] = []
        self.running: set[int] = set()
        self._begun: Counter[int] = Counter()

    def wait(self, number: int) -> None:
        """A trial is the last of those that wait to run."""
        self.drop(number)
        self.waiting.append(number)

    def pause(self, number: int) -> None:
        """A trial is the last of those that are held."""
        self.drop(number)
        self.paused.append(number)

    def begin(self, number: int) -> tuple[int, int]:
        """One that waits runs; its number, and which attempt of this session it is, from 1."""
        self.waiting.remove(number)
        self.running.add(number)
        self._begun[number] += 1
        return number, self._begun[number]

    def runs(self, number: int, attempt: int) -> bool:
        """Whether that attempt runs; the trial may have left it behind."""
        return number in self.running and self._begun[number] == attempt

    def drop(self, number: int) -> None:
        """A trial is nowhere."""
        self.running.discard(number)
        if number in self.waiting:
            self.waiting.remove(number)
        if number in self.paused:
            self.paused.remove(number)
