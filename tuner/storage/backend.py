"""The protocol of a storage backend, and its errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from tuner.trial import Save

# disk full, over quota, read-only, broken, or file server gone: no fault of what was written
_DISK_ERRORS = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN,
    errno.ENOTCONN,
)  # fmt: skip


class StorageError(OSError):
    """The storage cannot write or read; the trial is not to blame."""


class StorageBackend(Protocol):
    """One kind of storage; each method keeps the promise of `tuner.storage.storage.Storage`."""

    def put(self, name: str, save: Save) -> None: ...
    def fetched(self, name: str) -> AbstractContextManager[Path]: ...
    def copy(self, name: str, to: str) -> None: ...
    def remove(self, name: str) -> None: ...
    def names(self, folder: str) -> list[str]: ...
    def write(self, name: str, content: bytes) -> None: ...
    def read(self, name: str) -> bytes: ...


@contextmanager
def disk_errors_as_storage_errors() -> Iterator[None]:
    """Turn an OSError of the disk, such as a full one, into StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise StorageError(error.errno, error.strerror, error.filename) from error
        raise
