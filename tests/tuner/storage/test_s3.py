"""S3: what cannot work is refused at once; a server that is down or overloaded is waited for."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tuner.storage.s3
from tests.tuner.storage.test_storage import BIG, content, saver
from tests.tuner.support.ports import free_ports
from tests.tuner.support.s3 import KEYS, Server
from tuner.errors import StudyError
from tuner.storage.backend import StorageError
from tuner.storage.storage import Storage

ROOT = Path(__file__).parents[3]


@pytest.fixture
def server(hasty: None) -> Iterator[Server]:
    """One that the test may stop and start."""
    with Server() as own:
        yield own


def on_pause(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Instead of waiting for the storage, act."""
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: act())
    monkeypatch.setattr(tuner.storage.s3, "time", clock)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (
            "s3://b/x?endpoint_overide=h:1",
            "has no option endpoint_overide; did you mean `endpoint_override`?",
        ),
        ("s3://b/x?retries=5", "has no option retries; there are: endpoint_override, scheme, region, tls_ca"),
        ("s3://b/x?scheme=gopher", "Invalid S3 connection scheme 'gopher'; correct the URI"),
        ("s3:///x", "names no bucket; give s3://bucket/path"),
        ("s3://", "names no bucket; give s3://bucket/path"),
    ],
)
def test_what_cannot_be_meant_is_refused(uri: str, reason: str) -> None:
    with pytest.raises(StudyError) as error:
        Storage(uri)
    assert str(error.value).startswith(f"storage: {uri}: {reason}")


def test_keys_in_the_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(StudyError, match="keys would be written to the journal; put them into AWS_") as error:
        Storage("s3://AKIA123:hush@bucket/x")
    assert "AKIA123" not in str(error.value)
    assert "hush" not in str(error.value)


def test_a_bucket_that_is_not_there_is_refused(s3: Server) -> None:
    with pytest.raises(StudyError, match=r"cannot be written: .*NO_SUCH_BUCKET.*; check the path") as error:
        Storage(s3.uri("no-such-bucket/x")).probe()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", ["bucket//x", "bucket:9000/x"])
def test_a_path_that_no_bucket_has_is_refused(s3: Server, path: str) -> None:
    with pytest.raises(StudyError, match="cannot be written: E"):  # Empty path component, Expected an S3 ...
        Storage(s3.uri(path)).probe()


def test_a_server_that_is_away_is_refused_within_seconds() -> None:
    with Server() as server:
        storage = Storage(server.bucket("away", "x"))
    began = time.monotonic()
    with pytest.raises(StudyError, match=r"cannot be written: .*NETWORK_CONNECTION.*Could not connect"):
        storage.probe()
    assert time.monotonic() - began < 20


def test_a_state_waits_for_a_server_that_is_started_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = Storage(server.bucket("again", "x"))

    def save(folder: Path) -> None:
        saver(weights=b"1")(folder)
        server.stop()

    on_pause(monkeypatch, server.start)
    storage.put("state", save)
    assert content(storage, "state") == {"weights": b"1"}
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("warning: storage: ") and "waiting for it" in line]


def test_a_server_that_goes_in_mid_upload_gets_the_whole_state_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, pauses = Storage(server.bucket("midway", "x")), []
    storage.put("state", saver(old=b"1"))

    def copy(source: io.BufferedReader, target: io.BufferedWriter, length: int) -> None:
        if not pauses:
            target.write(source.read(length))
            server.stop()
        shutil.copyfileobj(source, target, length)

    def start() -> None:
        pauses.append(1)
        server.start()

    monkeypatch.setattr(tuner.storage.s3, "shutil", SimpleNamespace(copyfileobj=copy))
    on_pause(monkeypatch, start)
    storage.put("state", saver(a=BIG, b=BIG))
    assert pauses == [1]
    assert content(storage, "state") == {"a": BIG, "b": BIG}


def test_a_state_is_lost_when_the_patience_is_over(server: Server) -> None:
    storage = Storage(server.bucket("lost", "x"), patience_s=0.0)
    storage.put("other", saver(x=b""))
    server.stop()
    with pytest.raises(StorageError, match="NETWORK_CONNECTION"):
        storage.put("state", saver(x=b"1"))
    for act in (lambda: content(storage, "other"), lambda: storage.copy("other", "state")):
        with pytest.raises(StorageError, match="NETWORK_CONNECTION"):
            act()
    with pytest.raises(OSError, match="NETWORK_CONNECTION"):
        storage.names("")
    server.start()
    assert storage.names("") == ["other"]


@pytest.mark.parametrize(("status", "away"), [(503, True), (429, True), (403, False)])
def test_an_overloaded_server_is_waited_for_and_one_that_refuses_is_not(
    monkeypatch: pytest.MonkeyPatch, hasty: None, status: int, away: bool
) -> None:
    pauses: list[int] = []
    on_pause(monkeypatch, lambda: pauses.append(1))
    monkeypatch.setattr(tuner.storage.s3, "_PAUSE_S", (1.0, 1000.0))
    with _answering(status) as uri, pytest.raises(StorageError, match=r"HTTP status|ACCESS_DENIED"):
        Storage(uri, patience_s=100.0).put("state", saver(x=b"1"))
    assert pauses == [1] * away


@contextmanager
def _answering(status: int) -> Iterator[str]:
    """URI of a server with one answer to everything, as a proxy before a store that is away."""
    from werkzeug.serving import make_server
    from werkzeug.wrappers import Response

    server = make_server("127.0.0.1", free_ports(1)[0], Response(status=status), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"s3://bucket/x?endpoint_override=127.0.0.1:{server.port}&scheme=http"
    server.shutdown()
    thread.join()
    server.server_close()


def test_whoever_is_killed_in_mid_upload_leaves_the_old_state(bucket: str) -> None:
    storage = Storage(bucket)
    storage.put("state", saver(old=b"1"))
    program = f"""
import os, signal, tuner.storage.s3
from tuner.storage.storage import Storage
def copy(source, target, length):
    target.write(source.read())
    target.flush()
    os.kill(os.getpid(), signal.SIGKILL)
tuner.storage.s3.shutil.copyfileobj = copy
Storage({bucket!r}).put("state", lambda folder: (folder / "new").write_bytes(bytes(25_000_000)))
"""
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ | KEYS, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert content(storage, "state") == {"old": b"1"}
    assert storage.names("") == ["state"]


def test_a_state_cannot_be_unpacked_outside_of_its_folder(bucket: str, tmp_path: Path) -> None:
    outside, archive = tmp_path / "outside", io.BytesIO()
    with ZipFile(archive, "w") as packed:
        for name in ("../up", "a/../../../../up", str(outside), "/up"):
            packed.writestr(name, "caught")
    storage = Storage(bucket)
    storage.write("state.zip", archive.getvalue())
    with storage.fetched("state") as folder:
        inside = [path for path in folder.parent.rglob("*") if path.is_file()]
        assert inside
        assert all(path.is_relative_to(folder) for path in inside)
        assert not (folder.parent.parent / "up").exists()
    assert not outside.exists()
    assert not Path("/up").exists()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_state_is_one_that_cannot_be_read(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever byte was changed or lost: the state as it was, or OSError, never another exception."""
    folder = tmp_path_factory.mktemp("damaged")
    source, archive = folder / "source", folder / "archive"
    source.mkdir()
    saver(a=b"hello" * 9, b__c=b"")(source)
    tuner.storage.s3._pack(source, archive)
    raw = bytearray(archive.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=3)):
        raw[place] = data.draw(st.integers(0, 255))
    archive.write_bytes(raw[: data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))])
    with suppress(OSError):
        tuner.storage.s3._unpack(archive, folder / "target")
    assert {path.name for path in folder.iterdir()} <= {"source", "archive", "target"}
    shutil.rmtree(folder)
