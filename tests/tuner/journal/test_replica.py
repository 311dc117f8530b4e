"""The journal's copy in the storage: complete once the storage answers, never of another search."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.tuner.journal.test_journal import STARTED, reported
from tuner.errors import StudyError
from tuner.journal.event import Event, EventKind
from tuner.journal.journal import Journal, read_events
from tuner.journal.replica import JournalReplica
from tuner.storage.storage import Storage

LONG = Event(EventKind.TRIAL_ENDED, 1, {"trace": "x" * 40_000}, 1e9)
ENDED = Event(EventKind.STUDY_ENDED, None, {"state": "complete", "reason": "", "trials": {}}, 1e9)


class Store(Storage):
    """A storage that can be away."""

    away = False
    tries = 0

    def write(self, name: str, content: bytes) -> None:
        self.tries += 1
        if self.away:
            raise OSError("the server is away")
        super().write(name, content)

    @property
    def copied(self) -> bytes:
        names = [name for name in self.names("journal") if not name.startswith(".")]
        return b"".join(self.read(f"journal/{name}") for name in names)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here.jsonl"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage that did not answer is asked again with the next event."""
    monkeypatch.setattr("tuner.journal.replica._PATIENCE_S", 0.0)


def kept(path: Path, store: Storage, *events: Event) -> list[Event]:
    """Write events in a session of their own; what was there before."""
    journal = Journal(path, JournalReplica(store))
    for event in events:
        journal.on_event(event)
    journal.close()
    return journal.past


def test_the_copy_has_each_event_when_on_event_returns(here: Path, store: Store) -> None:
    journal = Journal(here, JournalReplica(store))
    for event in (STARTED, reported(1, loss=1.0), reported(2, loss=0.5)):
        journal.on_event(event)
        assert store.copied == here.read_bytes()
    assert store.names("journal") == ["000000000000.jsonl"]


def test_another_machine_goes_on_from_the_copy(here: Path, store: Store, tmp_path: Path) -> None:
    kept(here, store, STARTED, reported(1, loss=1.0))
    there = tmp_path / "there.jsonl"
    assert kept(there, store, reported(2, loss=0.5)) == [STARTED, reported(1, loss=1.0)]
    assert there.read_bytes() == store.copied
    assert kept(here, store) == [STARTED, reported(1, loss=1.0), reported(2, loss=0.5)]  # and back again


def test_a_storage_is_taken_by_the_first_event(here: Path, store: Store) -> None:
    assert not JournalReplica(store).taken
    kept(here, store, STARTED)
    assert JournalReplica(store).taken


def test_a_long_journal_is_kept_in_parts_of_which_only_the_last_is_written_anew(
    here: Path, store: Store, tmp_path: Path
) -> None:
    kept(here, store, STARTED, LONG, LONG, LONG, LONG, reported(1, loss=1.0))
    begins = [int(name.removesuffix(".jsonl")) for name in store.names("journal")]
    assert len(begins) == 3
    assert all(65_536 <= b - a < 65_536 + 41_000 for a, b in pairwise(begins))
    first = [store.read(f"journal/{begin:012d}.jsonl") for begin in begins[:2]]
    kept(tmp_path / "there.jsonl", store, reported(2, loss=0.5))
    assert [store.read(f"journal/{begin:012d}.jsonl") for begin in begins[:2]] == first
    assert store.copied == (tmp_path / "there.jsonl").read_bytes()
    assert len(list(read_events(tmp_path / "there.jsonl"))) == 7


@pytest.mark.parametrize("lost", [0, 1])
def test_a_missing_part_is_refused(here: Path, store: Store, tmp_path: Path, lost: int) -> None:
    kept(here, store, STARTED, *[LONG] * 6)
    names = store.names("journal")
    (tmp_path / "store" / "journal" / names[lost]).unlink()
    there = tmp_path / "there.jsonl"
    with pytest.raises(
        StudyError, match=f"{names[lost + 1]} where {names[lost]} is expected: a part of the jour"
    ):
        Journal(there, JournalReplica(store))
    assert not there.exists()


def test_what_a_killed_write_left_is_no_part(here: Path, store: Store, tmp_path: Path) -> None:
    kept(here, store, STARTED, reported(1, loss=1.0))
    pid = os.fork()
    if pid == 0:
        pytest.MonkeyPatch().setattr(
            "tuner.files.os.replace", lambda *names: os.kill(os.getpid(), signal.SIGKILL)
        )
        kept(here, store, reported(2, loss=0.5))
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert len(store.names("journal")) == 2
    assert kept(tmp_path / "there.jsonl", store) == [STARTED, reported(1, loss=1.0)]
    assert kept(here, store, reported(3, loss=0.2))[-1] == reported(2, loss=0.5)
    assert store.copied == here.read_bytes()


def test_only_a_killed_first_write_takes_no_storage(store: Store, tmp_path: Path) -> None:
    (tmp_path / "store" / "journal").mkdir(parents=True)
    (tmp_path / "store" / "journal" / ".000000000000.jsonl.writing").write_bytes(b'{"event"')
    assert not JournalReplica(store).taken


def test_another_searchs_journal_is_refused_and_neither_is_changed(here: Path, store: Store) -> None:
    kept(here, store, STARTED)
    copied, other = store.copied, here.with_name("other.jsonl")
    journal = Journal(other)
    journal.on_event(reported(1, loss=1.0))
    journal.close()
    mine = other.read_bytes()
    with pytest.raises(StudyError, match=r"holds another search than .*other.jsonl; give the folder and the"):
        Journal(other, JournalReplica(store))
    assert (store.copied, other.read_bytes()) == (copied, mine)


def test_a_line_cut_here_is_restored_from_the_copy(here: Path, store: Store) -> None:
    kept(here, store, STARTED, reported(1, loss=1.0))
    whole = here.read_bytes()
    here.write_bytes(whole[:-5])
    assert kept(here, store) == [STARTED, reported(1, loss=1.0)]
    assert here.read_bytes() == whole


def test_a_line_cut_here_that_the_copy_never_had_is_dropped_from_both(here: Path, store: Store) -> None:
    kept(here, store, STARTED)
    here.write_bytes(here.read_bytes() + b'{"event": "trial_re')
    assert kept(here, store, reported(1, loss=1.0)) == [STARTED]
    assert store.copied == here.read_bytes()
    assert list(read_events(here)) == [STARTED, reported(1, loss=1.0)]


def test_while_the_storage_is_away_events_wait_and_follow(
    here: Path, store: Store, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(here, JournalReplica(store))
    journal.on_event(STARTED)
    store.away = True
    for epoch in (1, 2, 3):
        journal.on_event(reported(epoch, loss=1.0))
    store.away = False
    journal.on_event(reported(4, loss=0.5))
    assert store.copied == here.read_bytes()
    said = capsys.readouterr().err
    assert (
        said == "warning: storage: the server is away; the search goes on, its journal is sent later\n"
    )  # once


def test_a_storage_that_is_away_is_not_asked_with_every_event_but_with_the_last(
    here: Path, store: Store
) -> None:
    journal = Journal(here, JournalReplica(store))
    journal.on_event(STARTED)
    store.away, before = True, store.tries
    for epoch in (1, 2, 3):
        journal.on_event(reported(epoch, loss=1.0))
    assert store.tries == before + 1
    store.away = False
    journal.on_event(ENDED)
    assert store.copied == here.read_bytes()


def test_what_the_copy_missed_is_sent_by_the_next_session(here: Path, store: Store) -> None:
    kept(here, store, STARTED)
    store.away = True
    kept(here, store, reported(1, loss=1.0), reported(2, loss=0.5))
    store.away = False
    past = kept(here, store, reported(3, loss=0.2))
    assert past == [STARTED, reported(1, loss=1.0), reported(2, loss=0.5)]
    assert store.copied == here.read_bytes()


def test_a_storage_that_does_not_answer_is_told_on_a_resume(
    here: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(folder: str) -> list[str]:
        raise OSError("the server is away")

    monkeypatch.setattr(store, "names", away)
    with pytest.raises(StudyError, match=r"storage: .*/store: the server is away"):
        Journal(here, JournalReplica(store))
