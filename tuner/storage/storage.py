"""Storage of checkpoints and small files: a folder that every machine sees, or S3."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tuner.errors import StudyError, lines
from tuner.storage.backend import StorageBackend
from tuner.storage.local import LocalBackend
from tuner.storage.s3 import S3Backend
from tuner.trial import Save

_PATIENCE_S = 300.0  # enough for a server to restart


class Storage:
    """Checkpoints (folders) and small files by name, below one URI; nothing half-written is ever visible.

    Args:
        uri: an absolute path, or `s3://bucket/path` with `endpoint_override`, `scheme` and `region` behind a
            `?`; keys come from the environment as for any S3 client.
        patience_s: seconds that put, fetched and copy wait for an S3 server that does not answer.
    Raises:
        StudyError: not such a URI.
    """

    def __init__(self, uri: str, patience_s: float = _PATIENCE_S) -> None:
        self.uri = uri
        self._backend = _backend(uri, patience_s)

    def below(self, name: str) -> str:
        """Return the URI of a name below this one, with the same options."""
        if not self.uri.startswith("s3://"):
            return f"{self.uri.rstrip('/')}/{name}"
        parts = urlsplit(self.uri)
        return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()

    def probe(self) -> None:
        """Write, read and remove a small checkpoint, without waiting for a server.

        Raises:
            StudyError: one of them fails.
        """
        backend = _backend(self.uri, 0.0)
        try:
            backend.put(".probe", _write_probe)
            with backend.fetched(".probe") as folder:
                if (folder / "probe").read_bytes() != b"fsd-tuner":
                    raise OSError("what was written is read back changed")
            backend.remove(".probe")
        except (OSError, ValueError) as error:  # ValueError: pyarrow's, for a path that no bucket can have
            way_out = "check the path, its permissions and, for s3://, bucket, keys and endpoint_override"
            raise StudyError(
                f"storage: {self.uri}: cannot be written: {lines(error)[0]}; {way_out}"
            ) from error

    def put(self, name: str, save: Save) -> None:
        """Store what `save` writes into a folder; all of it is stored when this returns.

        Raises:
            StorageError: as by a full disk; nothing new is stored under `name`.
            Exception: whatever `save` raises.
        """
        self._backend.put(name, save)

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """Yield a checkpoint as a local folder to read.

        Raises:
            FileNotFoundError: no such checkpoint.
            StorageError: the storage does not answer.
        """
        return self._backend.fetched(name)

    def copy(self, name: str, to: str) -> None:
        """Store a checkpoint under a second name; raises as `fetched` and `put`."""
        self._backend.copy(name, to)

    def remove(self, name: str) -> None:
        """Remove a checkpoint; a missing one is no error.

        Raises:
            OSError: the storage does not answer.
        """
        self._backend.remove(name)

    def names(self, folder: str) -> list[str]:
        """Return the sorted names in a folder; none if it is missing.

        Raises:
            OSError: the storage does not answer.
        """
        return self._backend.names(folder)

    def write(self, name: str, content: bytes) -> None:
        """Write one small file; if this raises, the old one is still there.

        Raises:
            OSError: as by a full disk.
        """
        self._backend.write(name, content)

    def read(self, name: str) -> bytes:
        """Read one small file.

        Raises:
            OSError: no such file, or the storage does not answer.
        """
        return self._backend.read(name)


def _backend(uri: str, patience_s: float) -> StorageBackend:
    if uri.startswith("s3://"):
        return S3Backend(uri, patience_s)
    if uri.startswith("file:///"):
        uri = unquote(urlsplit(uri).path)
    path = Path(uri)
    if not path.is_absolute():
        way_out = "give an absolute folder or s3://bucket/path?endpoint_override=HOST:PORT"
        raise StudyError(f"storage: {uri}: names no folder that every machine of a cluster finds; {way_out}")
    return LocalBackend(path)


def _write_probe(folder: Path) -> None:
    (folder / "probe").write_bytes(b"fsd-tuner")
