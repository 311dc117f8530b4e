"""No scheduler at all: every trial runs to its end; other rules begin here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.journal.record import State
from tuner.schedulers.scheduler import GO, Decision
from tuner.space.space import Point


class Free:
    """Stops and holds nobody and remembers nothing; `tuner.schedulers.scheduler.Rule` says what the methods are for."""

    def begin(self, number: int, point: Point) -> None:
        return None

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        return GO

    def end(self, number: int, state: State) -> None:
        return None

    def release(self, held: Sequence[int], idle: bool) -> dict[int, Decision]:
        return dict.fromkeys(held, GO)

    def released(self, number: int, decision: Decision) -> None:
        return None

    def findings(self) -> list[Mapping[str, Any]]:
        return []
