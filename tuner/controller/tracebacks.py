"""Tracebacks of failed attempts: one line for the record, the full text in a file, a digest to compare."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tuner.controller.retry import Failure, FailureCause
from tuner.files import write_text

_HEAD = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s*File "(.*)", line (\d+), in (.*)$', re.MULTILINE)


def failure_of(cause: FailureCause, traceback: str, folder: Path, number: int) -> Failure:
    """Return a failure, its traceback kept; arguments as for `keep_error`."""
    return Failure(cause, keep_error(traceback, folder, number), trace_of(traceback))


def keep_error(traceback: str, folder: Path, number: int) -> str:
    """Append a traceback to the trial's file.

    Args:
        traceback: as Python prints it, or any text.
        folder: created where it is missing.
        number: of the trial.
    Returns:
        The error's first line and the file's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{number:04d}.txt"
    before = f"{file.read_text(encoding='utf-8')}\n" if file.exists() else ""
    write_text(file, f"{before}{traceback.rstrip()}\n")
    return f"{first_line(traceback)} (in full: {file})"


def last_error(folder: Path, number: int) -> str:
    """Return the traceback of a trial's last failed attempt, as kept by `keep_error`; "" without one."""
    file = folder / f"{number:04d}.txt"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return text[max(text.rfind(_HEAD), 0) :]


def first_line(traceback: str) -> str:
    """Return the line that names the exception: the first unindented one after the last frame."""
    rows = [row for row in traceback.splitlines() if row.strip()]
    frames = [i for i, row in enumerate(rows) if row.startswith("  File ")]
    after = [row for row in rows[frames[-1] :] if not row.startswith(" ")] if frames else rows
    return after[0].strip() if after else "unknown error"


def trace_of(traceback: str) -> str:
    """Return a digest of the frames and the exception's class; the message is left out."""
    frames = _FRAME.findall(traceback)
    kind = first_line(traceback).split(":")[0]
    return hashlib.sha256(repr((frames, kind)).encode()).hexdigest()[:16] if frames else ""
