"""Which trials can share a stack."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tuner.study.study import Study
from tuner.trial_module import Stackable, TrialModule

_LOSSES = 3  # stacks that fail with the same error before stacking is given up


class Stacking:
    """Groups trials by the key that the trial module's `stackable` returns for their config.

    Args:
        size: most trials of a stack; 1 for none.
        stackable: the trial module's hook; not called where the size is 1.
    """

    def __init__(self, size: int = 1, stackable: Stackable | None = None) -> None:
        self.size, self._stackable = size, stackable
        self._keys: dict[str, str | None] = {}
        self._lost: Counter[str] = Counter()

    def key(self, config: dict[str, Any]) -> str | None:
        """Return a key, equal for configs that can share a stack; None for one that runs alone."""
        if self.size == 1 or self._stackable is None:
            return None
        text = json.dumps(config, sort_keys=True, default=str)
        if text not in self._keys:
            self._keys[text] = _key(self._stackable, config)
        return self._keys[text]

    def lost(self, why: str) -> bool:
        """Note that a stack failed as a whole; return whether all trials run alone from now on.

        Args:
            why: equal for equal failures; the third one ends stacking.
        """
        self._lost[why] += 1
        over = self.size > 1 and self._lost[why] >= _LOSSES
        self.size = 1 if over else self.size
        return over


def _key(stackable: Stackable, config: dict[str, Any]) -> str | None:
    try:
        return str(stackable(config))
    except Exception:  # noqa: BLE001 - the trial runs alone and raises by itself what is wrong
        return None


def stacking_of(study: Study) -> Stacking:
    """Return the stacking that the study's resources ask for.

    Raises:
        StudyError: its trial module has no `run_stack`.
    """
    size = study.resources.stack
    if size == 1:
        return Stacking(size, None)
    trial = TrialModule(study.trial)
    trial.require("run_stack", "`resources.stack` needs")
    return Stacking(size, trial.require("stackable", "`resources.stack` needs"))
