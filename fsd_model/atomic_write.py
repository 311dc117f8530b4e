"""Text files that are either the old or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from fsd_model.errors import InputError


def write_text(path: Path, text: str) -> None:
    """Write `text` beside `path`, flush it to the disk and put it in the place of `path`.

    Raises:
        InputError: the folder is missing or read-only, or the disk is full; `path` is as before.
    """
    try:
        _replace(path, text)
    except OSError as error:
        raise InputError(
            f"{path}: file must be writable, got: {error.strerror or error};"
            " free space or choose another folder"
        ) from error


def _replace(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        os.fchmod(handle, 0o644)  # mkstemp allows the owner only, but a results folder is often shared
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C too: nothing half-written stays behind
        os.unlink(temporary)
        raise
