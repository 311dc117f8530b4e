"""The protocol of a scheduler: it sees every report in order and decides about the trial.

A scheduler is a deterministic function of the calls it has received. A resumed search replays its journal to
a new scheduler, which then stands where the old one stood. So a scheduler reads no clock, derives its random
numbers from the study's seed and the trial's number, and `resume` changes nothing in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from tuner.journal.record import State
from tuner.space.space import Params


class Action(StrEnum):
    """What to do with a trial.

    CONTINUE: train on. STOP: end it. PAUSE: free its resources until `resume` decides about it. CLONE:
    continue from another trial's checkpoint with changed settings.
    """

    CONTINUE = "continue"
    STOP = "stop"
    PAUSE = "pause"
    CLONE = "clone"


@dataclass(frozen=True)
class Decision:
    """An action with what it needs.

    Attributes:
        action: what to do.
        reason: of STOP and CLONE, one line for the record.
        donor: of CLONE, the trial whose checkpoint is copied.
        params: of CLONE, the trial's new settings.
    """

    action: Action = Action.CONTINUE
    reason: str = ""
    donor: int | None = None
    params: Params | None = None


CONTINUE = Decision()
PAUSE = Decision(Action.PAUSE)


class Scheduler(Protocol):
    """Decides about the trials of one search."""

    def begin(self, number: int, params: Params) -> None:
        """Note that a trial begins."""
        ...

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        """Note a report and decide about its trial.

        Args:
            number: the trial's.
            epoch: reports of the trial so far, from 1; after CLONE it continues at the donor's.
            metrics: everything reported, finite or not.
        Returns:
            The decision; ignored after a trial's last report and after one that is not finite.
        """
        ...

    def end(self, number: int, state: State) -> None:
        """Note that a trial is over, for whatever reason."""
        ...

    def resume(self, paused: Sequence[int], idle: bool) -> dict[int, Decision]:
        """Decide about paused trials; called whenever there are free resources.

        Args:
            paused: their numbers, in the order in which they were paused.
            idle: no other trial runs, waits to run or will begin, so there is nothing left to wait for.
        Returns:
            CONTINUE, CLONE or STOP for each trial that need not wait longer; with `idle` for at least one.
        """
        ...

    def resumed(self, number: int, decision: Decision) -> None:
        """Note that a CONTINUE or CLONE of `resume` was carried out."""
        ...

    def diagnostics(self) -> list[Mapping[str, Any]]:
        """Return what the scheduler measured as rows of a table, such as one row per rung."""
        ...
