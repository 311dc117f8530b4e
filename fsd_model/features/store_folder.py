"""A folder of the feature store: built by one process, whole or not at all.

It contains the rows one after another, and `about.json`: shape, front end, and the files left out.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from fsd_model.atomic_write import flush, leftovers, replacing

ABOUT_FILE = "about.json"


def build_once(folder: Path, files: dict[str, Iterator[bytes]]) -> None:
    """Build `folder` under a lock in a temporary folder, unless another process has built it meanwhile.

    Processes that find no folder queue at the lock; each looks again once it has the lock, so one builds. A
    killed process loses its lock, and the next one deletes what it left.

    Args:
        folder: complete as soon as it has its final name.
        files: content in pieces, by name; a file is iterated after those before it are written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.is_dir():
            return
        for leftover in leftovers(folder):  # of a killed builder: whoever holds the lock builds alone
            shutil.rmtree(leftover, ignore_errors=True)
        with replacing(folder) as temporary:
            _build(temporary, files)
        flush(folder.parent)


def bad_rows(folder: Path) -> dict[int, str]:
    """Return the utterances without a row, by index, with the reason."""
    about = json.loads((folder / ABOUT_FILE).read_bytes())
    return {int(number): reason for number, reason in about.get("left_out", {}).items()}


def _build(folder: Path, files: dict[str, Iterator[bytes]]) -> None:
    folder.mkdir()
    for name, pieces in files.items():
        # written, not mapped: a full disk is then an OSError here and no SIGBUS
        with open(folder / name, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
    flush(folder)
