"""Storage in a folder: a checkpoint is renamed into place once all its files are on the disk."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tuner.files import flush, write_bytes
from tuner.storage.backend import disk_errors_as_storage_errors
from tuner.trial import Save


class LocalBackend:
    """A folder. The methods are those of `tuner.storage.storage.Storage`.

    Args:
        base: absolute path; created where it is missing.
    """

    def __init__(self, base: Path) -> None:
        self._base = base

    def put(self, name: str, save: Save) -> None:
        target = self._base / name
        with disk_errors_as_storage_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=".saving-"))
            try:
                save(folder)
                folder.chmod(0o755)
                _flush(folder)
                if target.exists():  # saved by an attempt that died before it reported
                    _discard(target)
                folder.rename(target)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        folder = self._base / name
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such checkpoint", str(folder))
        yield folder

    def copy(self, name: str, to: str) -> None:
        with self.fetched(name) as folder:
            self.put(to, lambda target: _copy(folder, target))

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            _discard(self._base / name)

    def names(self, folder: str) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(os.listdir(self._base / folder))
        return []

    def write(self, name: str, content: bytes) -> None:
        path = self._base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)

    def read(self, name: str) -> bytes:
        return (self._base / name).read_bytes()


def _discard(folder: Path) -> None:
    """Remove a checkpoint; renamed first, so that a kill leaves no half of one under its name."""
    aside = folder.with_name(f".removing-{secrets.token_hex(4)}")
    folder.rename(aside)
    shutil.rmtree(aside)


def _flush(folder: Path) -> None:
    """Flush all files of a checkpoint to the disk.

    Not the folder itself: the journal names the checkpoint, and is flushed after it on the same file system.
    """
    for parent, _, files in os.walk(folder):
        for name in files:
            flush(Path(parent, name))


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
