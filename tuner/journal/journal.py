"""The search's own record on disk: one JSON object a line, safe against a crash of the next second.

It is the one truth: what the sampler, the scheduler and MLflow know can be rebuilt from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tuner.errors import StudyError
from tuner.journal.event import FORMAT, Event, EventKind
from tuner.journal.replica import JournalReplica

NAME = "journal.jsonl"


class Journal:
    """Appends every event and flushes it to the disk.

    Args:
        path: the file, made where it is missing; a line that a crash cut short is cut off.
        mirror: gets a copy of every event, or None.

    Attributes:
        past: the events that were there.

    Raises:
        StudyError: a damaged file.
    """

    def __init__(self, path: Path, mirror: JournalReplica | None = None) -> None:
        self._mirror = mirror
        if mirror is not None:
            mirror.restore(path)
        self.past = list(read_events(path)) if path.exists() else []
        self._file = path.open("a", encoding="utf-8")
        self._file.truncate(_whole(path))

    def on_event(self, event: Event) -> None:
        """Write one event.

        Raises:
            OSError: as by a full disk.
        """
        try:
            self._file.write(json.dumps(event.to_dict(), allow_nan=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._file.name) from error
        if self._mirror is not None:
            self._mirror.send(last=event.kind is EventKind.STUDY_ENDED)

    def close(self) -> None:
        """Nothing more is written."""
        with suppress(OSError):  # what does not reach the disk has been raised by `on_event`
            self._file.close()


def read_events(path: Path) -> Iterator[Event]:
    """The events of a journal; a last line without its end is left out.

    Raises:
        StudyError: a line that is no event, or a journal of another format.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                event = Event.from_dict(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise StudyError(f"{path}:{number}: is no event of a search; restore the file") from error
            if event.kind is EventKind.STUDY_STARTED and event.content.get("format") != FORMAT:
                found = event.content.get("format", 1)
                raise StudyError(
                    f"{path}:{number}: has format {found}, needs {FORMAT}; search into a new folder"
                )
            yield event


def _whole(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    content = path.read_bytes()
    return content.rfind(b"\n") + 1
