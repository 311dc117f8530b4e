"""The last two checkpoints of a trial are kept; leftovers of earlier attempts are removed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.tuner.storage.test_storage import content, saver
from tuner.storage.backend import StorageError
from tuner.storage.retention import CheckpointRetention
from tuner.storage.storage import Storage


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Each kind of storage, empty."""
    uri = request.getfixturevalue("bucket") if request.param == "s3" else str(tmp_path / "states")
    return Storage(uri, patience_s=0.0)


def test_the_last_two_states_are_kept(storage: Storage) -> None:
    retention = CheckpointRetention(storage, 3, None)
    names = [retention.keep(epoch, saver(epoch=json.dumps(epoch).encode())) for epoch in range(1, 6)]
    assert names == [f"trials/0003/{epoch:04d}" for epoch in range(1, 6)]
    assert storage.names("trials/0003") == ["0004", "0005"]
    assert [content(storage, name)["epoch"] for name in names[-2:]] == [b"4", b"5"]


def test_the_state_that_an_attempt_begins_from_is_kept_until_two_newer_ones_are(storage: Storage) -> None:
    storage.put("trials/0003/0007-of-0001", saver(x=b""))
    retention = CheckpointRetention(storage, 3, "trials/0003/0007-of-0001")
    retention.keep(8, saver(x=b""))
    assert storage.names("trials/0003") == ["0007-of-0001", "0008"]
    retention.keep(9, saver(x=b""))
    assert storage.names("trials/0003") == ["0008", "0009"]


def test_what_an_earlier_attempt_left_is_removed_and_no_other_trials(storage: Storage) -> None:
    for name in ("trials/0003/0004", "trials/0003/0005", "trials/0003/0006", "trials/0004/0001"):
        storage.put(name, saver(x=b""))
    CheckpointRetention(storage, 3, "trials/0003/0005")
    assert storage.names("trials/0003") == ["0005"]
    assert storage.names("trials/0004") == ["0001"]


def test_what_a_killed_attempt_had_half_written_is_removed(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.put("trials/0003/0004", saver(x=b""))
    pid = os.fork()
    if pid == 0:
        storage.put("trials/0003/0005", lambda folder: os.kill(os.getpid(), signal.SIGKILL))
    os.waitpid(pid, 0)
    assert len(storage.names("trials/0003")) == 2
    CheckpointRetention(storage, 3, "trials/0003/0004")
    assert storage.names("trials/0003") == ["0004"]


def test_states_that_cannot_be_removed_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(str(tmp_path))
    storage.put("trials/0003/0001", saver(x=b""))

    def away(name: str) -> None:
        raise OSError("the server is away")

    monkeypatch.setattr(storage, "remove", away)
    retention = CheckpointRetention(storage, 3, None)
    kept = [retention.keep(epoch, saver(x=b"")) for epoch in range(1, 5)]
    assert [name.rpartition("/")[2] for name in kept] == storage.names("trials/0003")
    monkeypatch.undo()
    CheckpointRetention(storage, 3, kept[-1])
    assert storage.names("trials/0003") == ["0004"]


def test_a_storage_that_cannot_be_listed_does_not_keep_an_attempt_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(str(tmp_path))

    def away(folder: str) -> list[str]:
        raise OSError("the server is away")

    monkeypatch.setattr(storage, "names", away)
    assert CheckpointRetention(storage, 3, None).keep(1, saver(x=b"1")) == "trials/0003/0001"


def test_a_state_that_is_not_kept_removes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(str(tmp_path))
    retention = CheckpointRetention(storage, 3, None)
    retention.keep(1, saver(x=b"1"))
    retention.keep(2, saver(x=b"2"))

    def full(name: str, save: object) -> None:
        raise StorageError("No space left on device")

    monkeypatch.setattr(storage, "put", full)
    with pytest.raises(StorageError):
        retention.keep(3, saver(x=b"3"))
    assert storage.names("trials/0003") == ["0001", "0002"]
