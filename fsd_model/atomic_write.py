"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsd_model.errors import InputError

_SUFFIX = ".tmp"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; at the end of the block, move what lies there to `path` in one step.

    The block writes a file or a folder with the name of `path`, in a temporary folder beside it. If the block
    raises (Ctrl-C included), `path` stays as it was and the temporary folder is deleted. A killed process
    leaves the temporary folder, `leftovers` lists it.

    Args:
        path: file, new or to be replaced; or folder, new or empty. Its parent folder must exist.

    Raises:
        OSError: the parent folder is missing or read-only, or the disk is full.
    """
    beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX))
    try:
        temporary = beside / path.name
        yield temporary
        if temporary.is_file():
            flush(temporary)  # before the rename, or a power cut may leave an empty file under the final name
        os.replace(temporary, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def leftovers(path: Path) -> list[Path]:
    """Return the temporary folders of `replacing(path)`: of running writers and of killed ones."""
    prefix = f".{path.name}."
    return [e for e in path.parent.iterdir() if e.name.startswith(prefix) and e.name.endswith(_SUFFIX)]


def flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Raises:
        InputError: the folder is missing or read-only, or the disk is full; `path` stays as it was.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: file must be writable, got: {error.strerror or error};"
            " free space or choose another folder"
        ) from error
