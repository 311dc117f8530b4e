"""Where the states of trials are kept: a folder that every machine sees, or S3-like storage."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tuner.errors import StudyError, lines
from tuner.storage.backend import StorageBackend
from tuner.storage.local import LocalBackend
from tuner.storage.s3 import S3Backend
from tuner.trial import Save

_PATIENCE_S = 300.0  # a server that is started again is back by then


class Storage:
    """States (folders) and small files by name, below one place; nothing half-written is ever seen.

    Args:
        uri: an absolute path, or `s3://bucket/path` with `endpoint_override`, `scheme` and `region` behind a
            `?`; keys come from the environment as with any S3 client.
        patience_s: seconds that put, fetched and copy wait for S3-like storage that does not answer.
    Raises:
        StudyError: a place that cannot be named so.
    """

    def __init__(self, uri: str, patience_s: float = _PATIENCE_S) -> None:
        self.uri = uri
        self._place = _place(uri, patience_s)

    def below(self, name: str) -> str:
        """The URI of a name, with the options of this one."""
        if not self.uri.startswith("s3://"):
            return f"{self.uri.rstrip('/')}/{name}"
        parts = urlsplit(self.uri)
        return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()

    def probe(self) -> None:
        """Write, read and remove a small state; waits for nothing.

        Raises:
            StudyError: one of them fails.
        """
        place = _place(self.uri, 0.0)
        try:
            place.put(".probe", _write_probe)
            with place.fetched(".probe") as folder:
                if (folder / "probe").read_bytes() != b"fsd-tuner":
                    raise OSError("what was written is read back changed")
            place.remove(".probe")
        except (OSError, ValueError) as error:  # ValueError: pyarrow's, for a path that no bucket can have
            way_out = "check the path, its permissions and, for s3://, bucket, keys and endpoint_override"
            raise StudyError(
                f"storage: {self.uri}: cannot be written: {lines(error)[0]}; {way_out}"
            ) from error

    def put(self, name: str, save: Save) -> None:
        """Keep what `save` writes into a folder; all of it is there when this returns.

        Raises:
            StorageError: as by a full disk; nothing stays under `name`.
            Exception: whatever `save` raises.
        """
        self._place.put(name, save)

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """A state, as a local folder to read.

        Raises:
            FileNotFoundError: there is none.
            StorageError: the storage does not answer.
        """
        return self._place.fetched(name)

    def copy(self, name: str, to: str) -> None:
        """Keep a state under another name too; raises as `fetched` and `put`."""
        self._place.copy(name, to)

    def remove(self, name: str) -> None:
        """Remove a state; one that is not there is no error.

        Raises:
            OSError: the storage does not answer.
        """
        self._place.remove(name)

    def names(self, folder: str) -> list[str]:
        """The names below a folder, sorted; none where it is missing.

        Raises:
            OSError: the storage does not answer.
        """
        return self._place.names(folder)

    def write(self, name: str, content: bytes) -> None:
        """Write one small file; whatever stood there is still there if this raises.

        Raises:
            OSError: as by a full disk.
        """
        self._place.write(name, content)

    def read(self, name: str) -> bytes:
        """Read one small file.

        Raises:
            OSError: there is none, or the storage does not answer.
        """
        return self._place.read(name)


def _place(uri: str, patience_s: float) -> StorageBackend:
    if uri.startswith("s3://"):
        return S3Backend(uri, patience_s)
    if uri.startswith("file:///"):
        uri = unquote(urlsplit(uri).path)
    path = Path(uri)
    if not path.is_absolute():
        way_out = "give an absolute folder or s3://bucket/path?endpoint_override=HOST:PORT"
        raise StudyError(f"storage: {uri}: is no place that every machine of a cluster finds; {way_out}")
    return LocalBackend(path)


def _write_probe(folder: Path) -> None:
    (folder / "probe").write_bytes(b"fsd-tuner")
