"""What a scheduler is: a rule that sees every report in order and says what happens next.

A rule is a function of what it was told: a resumed search tells it the journal again, in the same order, and
it stands where it stood. So it draws no random number that is not derived from the study's seed and the
trial, reads no clock, and changes nothing in `release`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from tuner.journal.record import State
from tuner.space.space import Params


class Action(StrEnum):
    """CONTINUE on. STOP for good. PAUSE: give the place back, wait for `release`. CLONE: go on from another trial."""

    CONTINUE = "continue"
    STOP = "stop"
    PAUSE = "pause"
    CLONE = "clone"


@dataclass(frozen=True)
class Decision:
    """What happens to a trial.

    Attributes:
        action: what.
        reason: of STOP, and of CLONE: one line for the record.
        donor: of CLONE, the trial whose saved state is taken over.
        params: of CLONE, the settings that the trial goes on with.
    """

    action: Action = Action.CONTINUE
    reason: str = ""
    donor: int | None = None
    params: Params | None = None


CONTINUE = Decision()
PAUSE = Decision(Action.PAUSE)


class Scheduler(Protocol):
    """One scheduler of one search."""

    def begin(self, number: int, params: Params) -> None:
        """A trial was begun."""
        ...

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        """One report, finite or not; not asked of a trial's last report, which is told all the same.

        Args:
            number: the trial's.
            epoch: reports so far, from 1; after a CLONE it goes on at the donor's.
            metrics: everything it reported.
        Returns:
            What happens; the decision of a last report or of one that is no number is not used.
        """
        ...

    def end(self, number: int, state: State) -> None:
        """A trial is over, for whatever reason."""
        ...

    def resume(self, paused: Sequence[int], idle: bool) -> dict[int, Decision]:
        """What becomes of trials that were told PAUSE; asked whenever a place is free.

        Args:
            held: their numbers, in the order in which they began to wait.
            idle: no other trial runs, waits to run or will be begun: nothing is left to wait for.
        Returns:
            CONTINUE, CLONE or STOP for those whose wait is over; with `idle` for at least one of them.
        """
        ...

    def resumed(self, number: int, decision: Decision) -> None:
        """A decision of `release` was carried out."""
        ...

    def diagnostics(self) -> list[Mapping[str, Any]]:
        """What the rule measured, as rows for a table (such as the rank correlation between two rungs)."""
        ...
