"""No early stopping: every trial runs to its end. Base class of the other schedulers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.journal.record import State
from tuner.schedulers.scheduler import CONTINUE, Decision
from tuner.space.space import Params


class FIFO:
    """A `Scheduler` that keeps no state and stops, pauses and clones no trial."""

    def begin(self, number: int, params: Params) -> None:
        return None

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        return CONTINUE

    def end(self, number: int, state: State) -> None:
        return None

    def resume(self, paused: Sequence[int], idle: bool) -> dict[int, Decision]:
        return dict.fromkeys(paused, CONTINUE)

    def resumed(self, number: int, decision: Decision) -> None:
        return None

    def diagnostics(self) -> list[Mapping[str, Any]]:
        return []
