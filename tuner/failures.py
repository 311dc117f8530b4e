"""A failed trial in one line, its full traceback in a file."""

from __future__ import annotations

from pathlib import Path

from tuner.atomic import write_text


def keep_error(traceback: str, folder: Path, number: int) -> str:
    """Write a traceback to a file of its own.

    Args:
        traceback: as Python prints it, or any text.
        folder: made where it is missing.
        number: the trial's.
    Returns:
        The error's first line and the file's path.
    """
    folder.mkdir(exist_ok=True)
    file = folder / f"{number:04d}.txt"
    write_text(file, f"{traceback.rstrip()}\n")
    return f"{first_line(traceback)} (in full: {file})"


def first_line(traceback: str) -> str:
    """The line that names the exception: the first one not indented after the last frame."""
    rows = [row for row in traceback.splitlines() if row.strip()]
    frames = [i for i, row in enumerate(rows) if row.startswith("  File ")]
    after = [row for row in rows[frames[-1] :] if not row.startswith(" ")] if frames else rows
    return after[0].strip() if after else "unknown error"
