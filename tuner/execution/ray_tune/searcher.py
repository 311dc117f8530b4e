"""Ray Tune searcher: hands the controller's attempts to Ray Tune."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from ray.tune.search import Searcher

from tuner.controller.attempts import Attempt
from tuner.controller.controller import Controller


class StudySearcher(Searcher):
    """Suggests attempts. Reports and ends reach the controller through scheduler and callback.

    Args:
        controller: gives the attempts.
        slots: how many trials, or stacks of them, run at once; None for as many as fit.

    Attributes:
        attempts: of each Ray trial, by its id; several in a stack.
    """

    def __init__(self, controller: Controller, slots: int | None = None) -> None:
        super().__init__()  # without a metric: a trial that never reports must not fail the whole `fit()`
        self._controller, self._slots = controller, slots
        self.attempts: dict[str, list[Attempt]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles the searcher for snapshots, which are not used

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the next attempt as the config of a Ray trial; of a stack, all its attempts as `stack`."""
        attempt = self._controller.next_attempt()
        if attempt is None:
            return Searcher.FINISHED if self._controller.finished else None  # type: ignore[return-value]
        self.attempts[trial_id] = [attempt]
        if attempt.key is None:
            return asdict(attempt)
        self.attempts[trial_id] += self._controller.next_for_stack(attempt.key, self._width() - 1)
        return asdict(attempt) | {"stack": [asdict(each) for each in self.attempts[trial_id]]}

    def _width(self) -> int:
        """Return how many trials a new stack gets: few remaining trials are shared by all free slots."""
        most = self._controller.study.resources.stack
        if self._slots is None:
            return most
        busy = sum(bool(self._controller.live(attempts)) for attempts in self.attempts.values())
        free = max(1, self._slots - busy + 1)  # the new stack's first attempt is counted as busy
        return min(most, math.ceil((self._controller.remaining + 1) / free))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: `StudyCallback` notifies the controller."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Do nothing: a search resumes from its journal, not from Ray's snapshots."""
