"""The folder of a search: one search at a time, never written over, gone on with only as it was."""

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

_FREE = ("trials", "budget", "concurrency", "finalists", "retries", "resources")  # may change on a resume


@contextmanager
def opened(out: Path, storage: str | None, resume: bool) -> Iterator[Journal]:
    """The journal of a folder that nobody else searches in meanwhile.

    Args:
        out: the folder, made where it is missing.
        storage: URI of the trials' states where that is not the folder; has a copy of the journal then.
        resume: whether a study in the folder is gone on with.
    Raises:
        StudyError: the folder is taken, in use or a file; the journal is damaged.
    """
    refuse_taken(out, resume)
    mirror = None if storage is None else JournalReplica(Storage(storage))
    if mirror is not None and not resume and mirror.taken:
        raise StudyError(
            f"storage: {storage}: holds a study already; give another place, or go on with --resume"
        )
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise StudyError(f"--out {out}: another search is running there; wait for it or end it") from error
    journal = None
    try:
        refuse_taken(out, resume)  # by one that came and went since
        journal = Journal(out / NAME, mirror)
        yield journal
    finally:
        if journal is not None:
            journal.close()
        lock.release()


def begun(out: Path) -> bool:
    """Whether a search has written into its journal there."""
    return (out / NAME).is_file() and (out / NAME).stat().st_size > 0


def refuse_taken(out: Path, resume: bool = False) -> None:
    """Raise StudyError where `out` cannot become the folder of a new study."""
    if out.exists() and not out.is_dir():
        raise StudyError(f"--out {out}: is a file; give a folder")
    for name in (NAME, "study.yaml", "best.yaml"):
        there = (out / name).exists() and (name != NAME or (out / name).stat().st_size > 0)
        if there and not resume:
            way_out = "go on with it by --resume, or give another folder"
            raise StudyError(f"--out {out}: holds a study already ({name}); {way_out}")


def refuse_another(past: Sequence[Event], study: Study) -> None:
    """Raise StudyError where a journal is of another study."""
    first = past[0]
    if first.kind is not EventKind.STUDY_STARTED:
        raise StudyError(f"{NAME}:1: does not begin with the start of a study; restore the file")
    then, now = first["study"], json.loads(json.dumps(study.to_dict()))
    for key in sorted((then.keys() | now.keys()) - set(_FREE)):
        if then.get(key) != now.get(key):
            where = _difference(key, then.get(key), now.get(key))
            raise StudyError(
                f"--resume: this is another study: {where}; give the study of then, or another folder"
            )


def new_search() -> str:
    """An id that no other search has."""
    return uuid4().hex


def _difference(path: str, then: Any, now: Any) -> str:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            if then.get(key) != now.get(key):
                return _difference(f"{path}.{key}", then.get(key), now.get(key))
    return f"{path} was {then!r}, is {now!r}"
