"""The journal file: one JSON object per line, flushed to the disk before anybody acts on it.

It survives a crash at any moment. What searcher, scheduler and MLflow know can be rebuilt from it.
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
_OTHER_FORMAT = (
    "{}: "
    + f"needs format {FORMAT} of the journal, got {{}}: names of events have changed; "
    + "resume it with the version of fsd-tuner that began it, or search into a new folder"
)


class Journal:
    """Appends every event to the journal file.

    Args:
        path: of the file, created where it is missing; a last line that a crash cut short is removed.
        replica: gets a copy of every event, or None.

    Attributes:
        past: the events of earlier sessions.

    Raises:
        StudyError: a damaged file, or one of another format.
    """

    def __init__(self, path: Path, replica: JournalReplica | None = None) -> None:
        self._replica = replica
        if replica is not None:
            replica.restore(path)
        self.past = list(read_events(path)) if path.exists() else []
        self._file = path.open("a", encoding="utf-8")
        self._file.truncate(_whole(path))

    def on_event(self, event: Event) -> None:
        """Append one event and flush it to the disk.

        Raises:
            OSError: as by a full disk.
        """
        try:
            self._file.write(json.dumps(event.to_dict(), allow_nan=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._file.name) from error
        if self._replica is not None:
            self._replica.send(last=event.kind is EventKind.STUDY_ENDED)

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # `on_event` has raised what did not reach the disk
            self._file.close()


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a journal; a last line without its end is left out.

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
                raise StudyError(_OTHER_FORMAT.format(f"{path}:{number}", event.content.get("format", 1)))
            yield event


def _whole(path: Path) -> int:
    """Return the number of bytes up to the end of the last whole line."""
    content = path.read_bytes()
    return content.rfind(b"\n") + 1
