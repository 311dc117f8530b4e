"""The study folder: one search at a time, never overwritten, resumed only with the same study."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from tuner.errors import StudyError
from tuner.journal.event import Event, EventKind
from tuner.journal.journal import NAME, Journal
from tuner.journal.replica import JournalReplica
from tuner.storage.storage import Storage
from tuner.study.study import Study

# what may change when a search is resumed
_FREE = ("trials", "budget", "concurrency", "finalists", "retries", "resources")


@contextmanager
def open_study_folder(out: Path, storage: str | None, resume: bool) -> Iterator[Journal]:
    """Lock a study folder and yield its journal.

    Args:
        out: the folder, created where it is missing.
        storage: URI of the checkpoints if they are not in the folder; gets a copy of the journal.
        resume: whether a study in the folder may be resumed.
    Raises:
        StudyError: the folder is taken, in use or a file; the journal is damaged.
    """
    refuse_taken(out, resume)
    replica = None if storage is None else JournalReplica(Storage(storage))
    if replica is not None and not resume and replica.taken:
        raise StudyError(
            f"storage: {storage}: holds a study already; give another one, or resume it with --resume"
        )
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise StudyError(f"--out {out}: another search is running there; wait for it or end it") from error
    journal = None
    try:
        refuse_taken(out, resume)  # a search may have begun and ended since
        journal = Journal(out / NAME, replica)
        yield journal
    finally:
        if journal is not None:
            journal.close()
        lock.release()


def has_begun(out: Path) -> bool:
    """Return whether a search has written to its journal in that folder."""
    return (out / NAME).is_file() and (out / NAME).stat().st_size > 0


def refuse_taken(out: Path, resume: bool = False) -> None:
    """Raise StudyError if `out` cannot become the folder of a new study, or of a resumed one."""
    if out.exists() and not out.is_dir():
        raise StudyError(f"--out {out}: is a file; give a folder")
    for name in (NAME, "study.yaml", "best.yaml"):
        there = (out / name).exists() and (name != NAME or (out / name).stat().st_size > 0)
        if there and not resume:
            way_out = "resume it with --resume, or give another folder"
            raise StudyError(f"--out {out}: holds a study already ({name}); {way_out}")


def refuse_other_study(past: Sequence[Event], study: Study) -> None:
    """Raise StudyError if a journal is of another study."""
    first = past[0]
    if first.kind is not EventKind.STUDY_STARTED:
        raise StudyError(f"{NAME}:1: does not begin with the start of a study; restore the file")
    then, now = first["study"], json.loads(json.dumps(study.to_dict()))
    for key in sorted((then.keys() | now.keys()) - set(_FREE)):
        if then.get(key) != now.get(key):
            where = _difference(key, then.get(key), now.get(key))
            raise StudyError(
                f"--resume: this is another study: {where}; give the study as it was, or another folder"
            )


def new_search_id() -> str:
    """Return an id that no other search has."""
    return uuid4().hex


def _difference(path: str, then: Any, now: Any) -> str:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            if then.get(key) != now.get(key):
                return _difference(f"{path}.{key}", then.get(key), now.get(key))
    return f"{path} was {then!r}, is {now!r}"
