"""A copy of the journal beside the trials' states, for a search that goes on where another machine died."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tuner.errors import StudyError, lines
from tuner.storage.storage import Storage

_FOLDER = "journal"
_PATIENCE_S = 15.0
_PART_BYTES = 65_536


class JournalReplica:
    """Keeps the journal as numbered parts; S3-like storage cannot append, so the last part is written anew.

    A search waits for each write: a state that a trial has removed is then never the newest that the copy
    names. While the storage does not answer, events wait in the journal's file and follow later.

    Args:
        storage: where the parts go.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._path = Path()
        self._part = 0  # where the last part begins
        self._tried = 0.0
        self._down = False

    @property
    def taken(self) -> bool:
        """Whether a search has left its journal here.

        Raises:
            OSError: the storage does not answer.
        """
        return bool(self._names())

    def restore(self, path: Path) -> None:
        """Write the journal at `path` anew from its parts, where they hold more than it.

        Raises:
            StudyError: the storage does not answer, lacks a part, or has the journal of another search.
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
            raise StudyError(f"storage: {self._storage.uri}: has another search than {path}; {way_out}")
        if len(whole) > common:
            path.write_bytes(whole)
        self._path, self._part = path, len(whole)

    def send(self, last: bool = False) -> None:
        """Send what is new.

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
                print(f"warning: storage: {lines(error)[0]}; the journal here goes on", file=sys.stderr)
            self._down, self._tried = True, time.monotonic()
            return
        self._down = False
        if len(content) >= _PART_BYTES:
            self._part += len(content)

    def _names(self) -> list[str]:
        """The parts; a write that was killed may have left a hidden file beside them."""
        return [name for name in self._storage.names(_FOLDER) if not name.startswith(".")]

    def _check(self, expected: list[str], names: list[str]) -> None:
        for want, name in zip(expected, names, strict=True):
            if want != name:
                where = f"{self._storage.below(_FOLDER)}: {name} where {want} is due"
                raise StudyError(f"{where}: a part of the journal is missing; restore it")


def _name(begin: int) -> str:
    return f"{begin:012d}.jsonl"
