"""SHA-256 of audio files, cached by path, size and modification time, so that a known corpus is not read
again.

One JSON file per folder of audio. A change of content with equal size and time is not noticed.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

from fsd_model.atomic_write import write_text
from fsd_model.data.audio import read_bytes
from fsd_model.errors import InputError

_Known = dict[str, tuple[int, int, str]]  # file name: size in bytes, modification time in ns, digest


def audio_digests(memory: Path, paths: Sequence[Path]) -> list[str]:
    """Return the digest of each file; only new or changed files are read.

    Args:
        memory: folder of the cache; created if missing. Processes may share it.
        paths: audio files.

    Returns:
        Hexadecimal SHA-256 of each file's bytes, in the order of `paths`.

    Raises:
        InputError: an audio file is missing or unreadable.
        OSError: `memory` cannot be written.
    """
    names_in = defaultdict(list)
    for path in paths:
        names_in[path.parent].append(path.name)
    known_in = {folder: _digest_folder(memory, folder, names) for folder, names in names_in.items()}
    return [known_in[path.parent][path.name][2] for path in paths]


def _digest_folder(memory: Path, folder: Path, names: list[str]) -> _Known:
    file = memory / f"{sha256(os.fsencode(folder.resolve())).hexdigest()}.json"
    stamps = {name: _stamp(folder / name) for name in names}
    known = _load(file)
    if not _stale(known, stamps):
        return known
    memory.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        known = _load(file)  # another process may have been here while this one waited
        stale = _stale(known, stamps)
        for name in stale:
            known[name] = (*stamps[name], sha256(read_bytes(folder / name)).hexdigest())
        if stale:
            write_text(file, json.dumps(known))
    return known


def _stale(known: _Known, stamps: dict[str, tuple[int, int]]) -> list[str]:
    return [name for name, stamp in stamps.items() if known.get(name, (-1, -1, ""))[:2] != stamp]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise InputError(
            f"{path}: audio file must exist, got: {error.strerror}; check the name and the folder"
        ) from None
    return status.st_size, status.st_mtime_ns


def _load(file: Path) -> _Known:
    try:
        stored = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):  # ValueError: damaged by a crash; it can all be computed again
        return {}
    return {name: (size, time, digest) for name, (size, time, digest) in stored.items()}
