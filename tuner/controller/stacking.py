"""Which trials can be trained in one stack."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tuner.study.study import Study
from tuner.trial_module import Stackable, load_stack

_LOSSES = 3  # of one kind


class Stacking:
    """Groups trials by what the trial's `stackable` says of their config.

    Args:
        size: most trials of a stack.
        stackable: beside the trial function; not asked where the size is 1.
    """

    def __init__(self, size: int = 1, stackable: Stackable | None = None) -> None:
        self.size, self._stackable = size, stackable
        self._known: dict[str, str | None] = {}
        self._lost: Counter[str] = Counter()

    def key(self, config: dict[str, Any]) -> str | None:
        """Equal for config that can be in one stack; None for those that run alone."""
        if self.size == 1 or self._stackable is None:
            return None
        text = json.dumps(config, sort_keys=True, default=str)
        if text not in self._known:
            self._known[text] = self._asked(self._stackable, config)
        return self._known[text]

    def lost(self, why: str) -> bool:
        """A stack failed as a whole; whether that was once too often: from now on every trial runs alone."""
        self._lost[why] += 1
        over = self.size > 1 and self._lost[why] >= _LOSSES
        self.size = 1 if over else self.size
        return over

    def _asked(self, stackable: Stackable, config: dict[str, Any]) -> str | None:
        try:
            return str(stackable(config))
        except Exception:  # noqa: BLE001 - of whatever kind: run alone, it says by itself what is wrong
            return None


def stacking_of(study: Study) -> Stacking:
    """As the study's resources want it.

    Raises:
        StudyError: its trial cannot be stacked.
    """
    size = study.resources.stack
    return Stacking(size, load_stack(study.trial)[1] if size > 1 else None)
