"""Attempts, and the queues of trials that wait, run or are paused."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Attempt:
    """One run of a trial function; on Ray Tune one Ray trial, or a member of a stack.

    Attributes:
        number: the trial's number.
        count: which attempt at this trial it is in this session, from 1.
        config: what the trial function is given.
        checkpoint: name of the saved state to resume from, or None.
        epoch: number of the report that the checkpoint was saved with, 0 without one.
        cloned: the checkpoint was saved by another trial, with other settings.
        key: equal for attempts that can share a stack; None for one that runs alone.
    """

    number: int
    count: int
    config: dict[str, Any]
    checkpoint: str | None
    epoch: int
    cloned: bool
    key: str | None = None


class TrialQueue:
    """Trials by number; each is waiting, paused, running or over.

    The order is part of the result: which trial runs next decides what searcher and scheduler see next.
    Replay puts every trial that began back into `waiting`, in the order of their last start, so that a
    resumed search with one slot runs its trials in the order of an uninterrupted one.

    Attributes:
        waiting: trials that can run, the next one first.
        paused: trials that the scheduler has paused, in the order of pausing.
        running: trials of which an attempt was handed out.
    """

    def __init__(self) -> None:
        self.waiting: deque[int] = deque()
        self.paused: list[int] = []
        self.running: set[int] = set()
        self._attempts: Counter[int] = Counter()

    def wait(self, number: int) -> None:
        """Put a trial at the end of those that can run."""
        self.drop(number)
        self.waiting.append(number)

    def pause(self, number: int) -> None:
        """Put a trial at the end of the paused ones."""
        self.drop(number)
        self.paused.append(number)

    def begin(self, number: int) -> int:
        """Move a waiting trial to the running ones; return the count of its attempt, from 1."""
        self.waiting.remove(number)
        self.running.add(number)
        self._attempts[number] += 1
        return self._attempts[number]

    def runs(self, number: int, count: int) -> bool:
        """Return whether this attempt runs; a late message may come from one that was replaced."""
        return number in self.running and self._attempts[number] == count

    def drop(self, number: int) -> None:
        """Remove a trial from all queues."""
        self.running.discard(number)
        if number in self.waiting:
            self.waiting.remove(number)
        if number in self.paused:
            self.paused.remove(number)
