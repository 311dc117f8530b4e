"""Attempts as Ray Tune asks for them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from ray.tune.search import Searcher

from tuner.controller.attempt import Attempt
from tuner.controller.controller import Controller
from tuner.execution.messages import VALUE


class StudySearcher(Searcher):
    """Hands the controller's attempts to Ray; what becomes of them the controller hears elsewhere.

    Args:
        controller: asked for attempts.
        slots: how many trials, or stacks of them, run at once; None for as many as fit.

    Attributes:
        attempts: by Ray's trial id; several of a stack.
    """

    def __init__(self, controller: Controller, slots: int | None = None) -> None:
        super().__init__(metric=VALUE, mode=controller.study.metric.mode)
        self._controller, self._slots = controller, slots
        self.attempts: dict[str, list[Attempt]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles it for snapshots, of which nothing is used

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        attempt = self._controller.next()
        if attempt is None:
            return Searcher.FINISHED if self._controller.over else None  # type: ignore[return-value]
        self.attempts[trial_id] = [attempt]
        if attempt.key is None:
            return asdict(attempt)
        self.attempts[trial_id] += self._controller.joining(attempt.key, self._width() - 1)
        return asdict(attempt) | {"stack": [asdict(each) for each in self.attempts[trial_id]]}

    def _width(self) -> int:
        """Trials of a new stack, with a first one that is taken; what is left is shared by all free slots."""
        most = self._controller.study.resources.stack
        if self._slots is None:
            return most
        busy = sum(bool(self._controller.live(attempts)) for attempts in self.attempts.values())
        return min(most, math.ceil((self._controller.left + 1) / max(1, self._slots - busy + 1)))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: the controller has heard it."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the journal is the record, and a search is not resumed from Ray's snapshots."""
