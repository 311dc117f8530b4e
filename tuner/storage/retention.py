"""The saved states of one trial: the last two, as the journal may still name the one before the last."""

from __future__ import annotations

from contextlib import suppress

from tuner.storage.storage import Storage
from tuner.trial import Save

_KEPT = 2  # the driver has heard of the one before, when a new one is saved


class CheckpointRetention:
    """Names the states of a trial `trials/0003/0007`: trial 3, report 7.

    Args:
        storage: where they go.
        number: the trial's.
        begun_from: name of the state that this attempt goes on from; what else an earlier one left is
        removed.
    """

    def __init__(self, storage: Storage, number: int, begun_from: str | None) -> None:
        self._storage, self._folder = storage, f"trials/{number:04d}"
        self._names = [begun_from] if begun_from else []
        with suppress(OSError):
            for name in storage.names(self._folder):
                if f"{self._folder}/{name}" != begun_from:
                    self._remove(f"{self._folder}/{name}")

    def keep(self, epoch: int, save: Save) -> str:
        """Save a state and remove those that are no longer needed; returns its name."""
        name = f"{self._folder}/{epoch:04d}"
        self._storage.put(name, save)
        self._names.append(name)
        while len(self._names) > _KEPT:
            self._remove(self._names.pop(0))
        return name

    def _remove(self, name: str) -> None:
        with suppress(OSError):  # a state too many costs disk, not the trial
            self._storage.remove(name)
