"""Both backends keep the same promises: a checkpoint is stored whole or not at all, and inside its base."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name

import pytest

from tuner.errors import StudyError
from tuner.storage.backend import StorageError
from tuner.storage.storage import Storage

BIG = bytes(range(256)) * 45_000  # 11.5 MB: more than one part of an upload


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Each kind of storage, empty."""
    uri = request.getfixturevalue("bucket") if request.param == "s3" else str(tmp_path / "not" / "yet")
    return Storage(uri, patience_s=0.0)


def saver(**files: bytes) -> Callable[[Path], None]:
    """Writes files; `a__b` is `b` in a folder `a`."""

    def save(folder: Path) -> None:
        for name, content in files.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    return save


def content(storage: Storage, name: str) -> dict[str, bytes | None]:
    """The files of a state, and its folders with None."""
    with storage.fetched(name) as folder:
        paths = sorted(folder.rglob("*"))
        return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in paths}


def test_a_state_comes_back_as_it_was_saved(storage: Storage) -> None:
    def save(folder: Path) -> None:
        saver(weights=BIG, empty=b"", export__detector__model=b"{}")(folder)
        (folder / "ünï code").write_bytes(b"\x00\xff")
        (folder / "hollow" / "inside").mkdir(parents=True)

    storage.put("trials/0001/0007", save)
    assert content(storage, "trials/0001/0007") == {
        "weights": BIG, "empty": b"", "export": None, "export/detector": None,
        "export/detector/model": b"{}", "hollow": None, "hollow/inside": None, "ünï code": b"\x00\xff",
    }  # fmt: skip


def test_a_state_without_files_is_a_state(storage: Storage) -> None:
    storage.put("trials/0001/0001", lambda folder: None)
    assert content(storage, "trials/0001/0001") == {}


def test_what_stood_under_a_name_is_replaced_whole(storage: Storage) -> None:
    storage.put("state", saver(old=b"1", same=b"1"))
    storage.put("state", saver(new=b"2", same=b"2"))
    assert content(storage, "state") == {"new": b"2", "same": b"2"}
    assert storage.names("") == ["state"]


def test_a_save_that_raises_leaves_what_was_there(storage: Storage) -> None:
    def save(folder: Path) -> None:
        saver(half=b"2")(folder)
        raise ZeroDivisionError("the trial's own")

    with pytest.raises(ZeroDivisionError):
        storage.put("trials/1", save)
    assert storage.names("trials") == []
    storage.put("trials/1", saver(whole=b"1"))
    with pytest.raises(ZeroDivisionError):
        storage.put("trials/1", save)
    assert content(storage, "trials/1") == {"whole": b"1"}
    assert storage.names("trials") == ["1"]


def test_a_copy_outlives_its_original(storage: Storage) -> None:
    storage.put("trials/1/0004", saver(a__b=b"4"))
    storage.put("trials/2/0004-of-1", saver(earlier=b""))
    storage.copy("trials/1/0004", "trials/2/0004-of-1")
    storage.remove("trials/1/0004")
    assert content(storage, "trials/2/0004-of-1") == {"a": None, "a/b": b"4"}
    assert storage.names("trials/1") == []


def test_what_is_missing_is_said_to_be(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        content(storage, "trials/1/0001")
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        storage.copy("trials/1/0001", "trials/2/0001")
    with pytest.raises(FileNotFoundError):
        storage.read("journal/0")
    assert storage.names("trials/1") == []
    storage.remove("trials/1/0001")


def test_names_are_sorted_and_go_when_removed(storage: Storage) -> None:
    for name in ("0010", "0002", "0001"):
        storage.put(f"trials/0003/{name}", saver(x=b""))
    assert storage.names("trials/0003") == ["0001", "0002", "0010"]
    storage.remove("trials/0003/0002")
    storage.remove("trials/0003/0002")
    assert storage.names("trials/0003") == ["0001", "0010"]


def test_a_small_file_is_written_over(storage: Storage) -> None:
    storage.write("journal/000", b"one\n")
    storage.write("journal/000", b"one\ntwo\n")
    storage.write("journal/001", b"")
    assert storage.read("journal/000") == b"one\ntwo\n"
    assert storage.read("journal/001") == b""
    assert storage.names("journal") == ["000", "001"]


def test_a_probe_leaves_nothing(storage: Storage) -> None:
    storage.probe()
    storage.probe()
    assert storage.names("") == []


def test_a_place_below_is_one_of_its_own(storage: Storage) -> None:
    storage.put("state", saver(here=b""))
    below = Storage(storage.below("finals"))
    below.put("state", saver(there=b""))
    assert content(storage, "state") == {"here": b""}
    assert content(storage, "finals/state") == {"there": b""}


@pytest.mark.parametrize("step", ["flush", "shutil.rmtree", "Path.rename", "Path.rename again"])
def test_whoever_is_killed_while_saving_leaves_no_half(tmp_path: Path, step: str) -> None:
    """SIGKILL at each step of putting a state over another one; the next attempt puts it right."""
    storage = Storage(str(tmp_path))
    before, after = saver(a=b"1", b__c=b"1"), saver(a=b"2", b__c=b"2")
    storage.put("trials/1/0002", before)
    _killed_at(f"tuner.storage.local.{step}", lambda: storage.put("trials/1/0002", after))
    if "0002" in storage.names("trials/1"):
        assert set(content(storage, "trials/1/0002").values()) in ({None, b"1"}, {None, b"2"})
    storage.put("trials/1/0002", after)
    assert set(content(storage, "trials/1/0002").values()) == {None, b"2"}


def test_whoever_is_killed_while_removing_leaves_no_half(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.put("state", saver(a=b"1", b=b"1"))
    _killed_at("tuner.storage.local.shutil.rmtree", lambda: storage.remove("state"))
    with pytest.raises(FileNotFoundError):
        content(storage, "state")


def test_whoever_is_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write("file", b"old")
    _killed_at("tuner.files.os.replace", lambda: storage.write("file", b"new"))
    assert storage.read("file") == b"old"
    storage.write("file", b"new")
    assert [name for name in storage.names("") if not name.startswith(".")] == ["file"]


def _killed_at(step: str, act: Callable[[], None]) -> None:
    """Act in a process that is killed as it calls the function at `step`, or calls it "again"."""
    name, _, again = step.partition(" ")
    pid = os.fork()
    if pid == 0:
        try:
            _arm(name, 2 if again else 1)
            act()
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def _arm(name: str, calls: int) -> None:
    owner, _, function = name.rpartition(".")
    path, real, left = pytest.MonkeyPatch(), resolve_name(name), [calls]

    def deadly(*args: object, **options: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)

    path.setattr(resolve_name(owner), function, deadly)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that is full behind `size` bytes of a file, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_the_storage_and_not_the_trial(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put("trials/1/0001", saver(x=b"1"))

    def full(folder: Path) -> None:
        saver(half=b"2")(folder)
        raise OSError(errno.ENOSPC, "No space left on device", "weights")

    def mistaken(folder: Path) -> None:
        (folder / "no" / "folder").write_bytes(b"")

    with pytest.raises(StorageError, match="No space left on device: 'weights'"):
        storage.put("trials/1/0001", full)
    with pytest.raises(FileNotFoundError) as own:
        storage.put("trials/1/0001", mistaken)
    assert not isinstance(own.value, StorageError)
    assert content(storage, "trials/1/0001") == {"x": b"1"}
    assert storage.names("trials/1") == ["0001"]


def test_a_small_file_that_finds_no_room_leaves_the_old_one(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write("file", b"old")
    with files_of_at_most(100), pytest.raises(OSError, match="File too large"):
        storage.write("file", b"new" * 100)
    assert storage.read("file") == b"old"
    assert [name for name in storage.names("") if not name.startswith(".")] == ["file"]


def test_a_place_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, reason in ((tmp_path / "file" / "x", "Not a directory"), (Path("/proc/none"), "No such file")):
        with pytest.raises(StudyError, match="cannot be written: .*" + reason) as error:
            Storage(str(place)).probe()
        assert str(error.value).startswith(f"storage: {place}: ")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("uri", ["states", "./states", "gs://bucket/x", "file://data/x", "file:data", ""])
def test_what_not_every_machine_finds_is_refused(uri: str) -> None:
    with pytest.raises(
        StudyError, match="names no folder that every machine of a cluster finds; give an abs"
    ):
        Storage(uri)


def test_a_folder_may_be_named_as_a_uri(tmp_path: Path) -> None:
    Storage(f"file://{tmp_path}/with%20space").write("file", b"x")
    assert (tmp_path / "with space" / "file").read_bytes() == b"x"
    Storage(f"{tmp_path}/100%25").write("file", b"x")
    assert (tmp_path / "100%25" / "file").read_bytes() == b"x"
