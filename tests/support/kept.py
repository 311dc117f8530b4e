"""Folders that tests make once per machine and keep while the files they are made from stay the same."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def kept_folder(cache: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name` in `cache`, made where it is missing; older ones are removed.

    Args:
        cache: folder of its own for each kind; one process at a time works in it.
        name: changes with whatever the content depends on, see `digest_of`.
        make: called with the folder; returns at once where it is complete.
    """
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / name
    with FileLock(cache / "lock"):
        for outdated in cache.iterdir():
            if outdated.is_dir() and outdated != root:
                shutil.rmtree(outdated)
        make(root)
    return root


def digest_of(folder: Path, *patterns: str) -> str:
    """Return a digest of all files that match the patterns.

    Raises:
        FileNotFoundError: a pattern matches nothing. The digest would then miss changes of what it was meant
            for, and an outdated folder would be kept for ever.
    """
    total = hashlib.sha256()
    for pattern in patterns:
        files = sorted(folder.glob(pattern))
        if not files:
            raise FileNotFoundError(f"{pattern}: matches no file in {folder}; has it moved?")
        for file in files:
            total.update(file.read_bytes())
    return total.hexdigest()[:16]
