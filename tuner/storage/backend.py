"""What a kind of storage does: a folder or S3-like."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from tuner.trial import Save

# the disk's own, whoever writes: full, over its quota, read-only, broken, or a file server that went away
_OF_THE_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN,
    errno.ENOTCONN,
)  # fmt: skip


class StorageError(OSError):
    """The storage does not take or give a state; the trial itself is not wrong."""


class StorageBackend(Protocol):
    """What `tuner.storage.storage.Storage` promises for each method, for one kind of storage."""

    def put(self, name: str, save: Save) -> None: ...
    def fetched(self, name: str) -> AbstractContextManager[Path]: ...
    def copy(self, name: str, to: str) -> None: ...
    def remove(self, name: str) -> None: ...
    def names(self, folder: str) -> list[str]: ...
    def write(self, name: str, content: bytes) -> None: ...
    def read(self, name: str) -> bytes: ...


@contextmanager
def disk_errors_as_storage_errors() -> Iterator[None]:
    """Raises StorageError for a full disk and the like: a trial whose `save` meets one is not wrong."""
    try:
        yield
    except OSError as error:
        if error.errno in _OF_THE_DISK:
            raise StorageError(error.errno, error.strerror, error.filename) from error
        raise
