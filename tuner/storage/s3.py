"""Storage in an S3 bucket: one object per checkpoint, so that it is stored whole or not at all."""

from __future__ import annotations

import errno
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit
from zipfile import ZipFile

from pyarrow import fs

from tuner.errors import StudyError, lines, nearest
from tuner.storage.backend import StorageError, disk_errors_as_storage_errors
from tuner.trial import Save

_OPTIONS = ("endpoint_override", "scheme", "region", "tls_ca_file_path")
_CONNECT_S = 5.0
_ATTEMPTS = 3
_PAUSE_S = (1.0, 2.0, 5.0, 10.0)
_CHUNK_BYTES = 8_388_608  # per request when a checkpoint is read
_END = ".zip"  # of a checkpoint's object
# in pyarrow's message when a server is down, overloaded or starting
_UNAVAILABLE = (
    "NETWORK_CONNECTION",
    "SLOW_DOWN",
    "SERVICE_UNAVAILABLE",
    "INTERNAL_FAILURE",
    "REQUEST_TIMEOUT",
    "THROTTL",
    "HTTP status 5",
    "HTTP status 429",
)

_T = TypeVar("_T")


class S3Backend:
    """A bucket or a prefix in one. The methods are those of `tuner.storage.storage.Storage`.

    Args:
        uri: `s3://bucket/path?option=value`.
        patience_s: seconds to wait for a server that does not answer.
    Raises:
        StudyError: not such a URI.
    """

    def __init__(self, uri: str, patience_s: float) -> None:
        self._fs, self._base = _opened(uri)
        self._patience_s = patience_s

    def put(self, name: str, save: Save) -> None:
        with disk_errors_as_storage_errors(), tempfile.TemporaryDirectory(prefix="fsd-tuner-") as folder:
            content, archive = Path(folder, "content"), Path(folder, "state")
            content.mkdir()
            save(content)
            _pack(content, archive)
            self._with_retries(lambda: self._upload(archive, self._object(name)))

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        with ExitStack() as stack:
            with disk_errors_as_storage_errors():
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fsd-tuner-"))
                content, archive = Path(folder, "content"), Path(folder, "state")
                with _missing_as_not_found(self._object(name)):
                    self._with_retries(lambda: self._download(self._object(name), archive))
                _unpack(archive, content)
                archive.unlink()
            yield content

    def copy(self, name: str, to: str) -> None:
        with _missing_as_not_found(self._object(name)):
            self._with_retries(lambda: self._fs.copy_file(self._object(name), self._object(to)))

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.delete_file(self._object(name))

    def names(self, folder: str) -> list[str]:
        selector = fs.FileSelector(f"{self._base}/{folder}", allow_not_found=True)
        return sorted(info.base_name.removesuffix(_END) for info in self._fs.get_file_info(selector))

    def write(self, name: str, content: bytes) -> None:
        with self._fs.open_output_stream(f"{self._base}/{name}") as stream:
            stream.write(content)

    def read(self, name: str) -> bytes:
        with self._fs.open_input_stream(f"{self._base}/{name}") as stream:
            content: bytes = stream.read()
            return content

    def _object(self, name: str) -> str:
        return f"{self._base}/{name}{_END}"

    def _upload(self, source: Path, target: str) -> None:
        """Upload a file. Not by `fs.copy_files`, whose destructor sends the last part and ignores errors."""
        with source.open("rb") as file, self._fs.open_output_stream(target) as stream:
            shutil.copyfileobj(file, stream, _CHUNK_BYTES)

    def _download(self, source: str, target: Path) -> None:
        with self._fs.open_input_stream(source) as stream, target.open("wb") as file:
            shutil.copyfileobj(stream, file, _CHUNK_BYTES)

    def _with_retries(self, act: Callable[[], _T]) -> _T:
        """Call `act` until the server answers or the patience is over."""
        deadline, attempts = time.monotonic() + self._patience_s, 0
        while True:
            try:
                return act()
            except FileNotFoundError:
                raise
            except OSError as error:
                pause = _PAUSE_S[min(attempts, len(_PAUSE_S) - 1)]
                if not _unavailable(error) or time.monotonic() + pause > deadline:
                    raise StorageError(errno.EIO, lines(error)[0]) from error
                if attempts == 0:
                    print(f"warning: storage: {lines(error)[0]}; waiting for it", file=sys.stderr)
            attempts += 1
            time.sleep(pause)


def _opened(uri: str) -> tuple[fs.S3FileSystem, str]:
    parts = urlsplit(uri)
    if parts.username or parts.password:
        way_out = "put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise StudyError(
            f"storage: s3://...@{parts.hostname}: keys would be written to the journal; {way_out}"
        )
    if not parts.netloc:
        raise StudyError(f"storage: {uri}: names no bucket; give s3://bucket/path")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for option in options.keys() - set(_OPTIONS):
        raise StudyError(f"storage: {uri}: has no option {option}; {nearest(option, _OPTIONS)}")
    try:
        opened = fs.S3FileSystem(
            **options,
            connect_timeout=_CONNECT_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            allow_delayed_open=True,  # a small file is one request instead of three
        )
    except (OSError, ValueError) as error:
        raise StudyError(f"storage: {uri}: {lines(error)[0]}; correct the URI") from error
    return opened, f"{parts.netloc}{unquote(parts.path)}".rstrip("/")


@contextmanager
def _missing_as_not_found(name: str) -> Iterator[None]:
    """Raise FileNotFoundError for a missing object; servers differ in how they report one."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) or "NO_SUCH_KEY" in str(error):
            raise FileNotFoundError(errno.ENOENT, "no such checkpoint", f"s3://{name}") from error
        raise


def _unavailable(error: OSError) -> bool:
    return any(word in str(error) for word in _UNAVAILABLE)


def _pack(folder: Path, archive: Path) -> None:
    with ZipFile(archive, "w", strict_timestamps=False) as packed:  # stored: weights do not compress
        for path in sorted(folder.rglob("*")):
            packed.write(path, path.relative_to(folder))


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir()
    try:
        with ZipFile(archive) as packed:
            packed.extractall(folder)  # stays inside: zipfile drops `..` and leading slashes
    except OSError:
        raise
    except Exception as error:  # zipfile raises many kinds, some undocumented
        raise OSError(errno.EIO, f"a checkpoint is damaged: {error}") from error
