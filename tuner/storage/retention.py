"""Checkpoints of one trial: their names, and which are kept."""

from __future__ import annotations

from contextlib import suppress

from tuner.storage.storage import Storage
from tuner.trial import Save

_KEPT = 2  # until a report has reached the journal, the journal names the checkpoint before


class CheckpointRetention:
    """Keeps the last two checkpoints of a trial, named `trials/0003/0007` for report 7 of trial 3.

    Args:
        storage: where they go.
        number: of the trial.
        begun_from: name of the checkpoint that this attempt resumes from; all others of the trial are
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
        """Save a checkpoint, remove those no longer needed, and return its name."""
        name = f"{self._folder}/{epoch:04d}"
        self._storage.put(name, save)
        self._names.append(name)
        while len(self._names) > _KEPT:
            self._remove(self._names.pop(0))
        return name

    def _remove(self, name: str) -> None:
        with suppress(OSError):  # a checkpoint too many costs disk space, not the trial
            self._storage.remove(name)
