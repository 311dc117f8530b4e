"""A copy of the journal in the storage, so that a search can be resumed on another machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tuner.errors import StudyError, lines
from tuner.files import write_bytes
from tuner.storage.storage import Storage

_FOLDER = "journal"
_PATIENCE_S = 15.0
_PART_BYTES = 65_536


class JournalReplica:
    """Keeps the journal as parts, each named by the byte at which it begins.

    S3 cannot append to an object, so the last part is rewritten until it has 64 KiB. The search waits for
    each write: otherwise the copy could name a checkpoint that its trial has already replaced and removed.
    While the storage does not answer, events stay in the journal's file and are sent later.

    Args:
        storage: where the parts go.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._path = Path()
        self._part = 0  # byte at which the last part begins
        self._tried = 0.0
        self._down = False

    @property
    def taken(self) -> bool:
        """Return whether the storage holds the journal of a search.

        Raises:
            OSError: the storage does not answer.
        """
        return bool(self._names())

    def restore(self, path: Path) -> None:
        """Rewrite the journal at `path` from its parts, if they hold more than the file does.

        Raises:
            StudyError: the storage does not answer, lacks a part, or holds the journal of another search.
        """
        try:
            names = self._names()
            parts = [self._storage.read(f"{_FOLDER}/{name}") for name in names]
        except OSError as error:
            raise StudyError(f"storage: {self._storage.uri}: {lines(error)[0]}") from error
        whole, here = b"".join(parts), path.read_bytes() if path.exists() else b""
        self._check([_name(len(b"".join(parts[:i]))) for i in range(len(parts))], names)
        common = min(len(whole), here.rfind(b"\n") + 1)
        if whole[:common] != here[:common]:
            way_out = "give the folder and the storage of one search"
            raise StudyError(f"storage: {self._storage.uri}: holds another search than {path}; {way_out}")
        if len(whole) > common:
            write_bytes(path, whole)
        self._path, self._part = path, len(whole)

    def send(self, last: bool = False) -> None:
        """Send what the storage does not have yet.

        Args:
            last: try even if the storage did not answer a moment ago.
        """
        if self._down and not last and time.monotonic() < self._tried + _PATIENCE_S:
            return
        with self._path.open("rb") as file:
            file.seek(self._part)
            content = file.read()
        try:
            self._storage.write(f"{_FOLDER}/{_name(self._part)}", content)
        except OSError as error:
            if not self._down:
                print(
                    f"warning: storage: {lines(error)[0]}; the search goes on, its journal is sent later",
                    file=sys.stderr,
                )
            self._down, self._tried = True, time.monotonic()
            return
        self._down = False
        if len(content) >= _PART_BYTES:
            self._part += len(content)

    def _names(self) -> list[str]:
        """Return the names of the parts, without hidden files that killed writes may have left."""
        return [name for name in self._storage.names(_FOLDER) if not name.startswith(".")]

    def _check(self, expected: list[str], names: list[str]) -> None:
        for due, name in zip(expected, names, strict=True):
            if due != name:
                where = f"{self._storage.below(_FOLDER)}: {name} where {due} is expected"
                raise StudyError(f"{where}: a part of the journal is missing; restore it")


def _name(begin: int) -> str:
    return f"{begin:012d}.jsonl"
