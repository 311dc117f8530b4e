"""The journal: on the disk before anybody acts on it, and readable after whatever happened."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuner.storage.test_storage import files_of_at_most
from tuner.errors import StudyError
from tuner.journal.event import FORMAT, Event, EventKind
from tuner.journal.journal import Journal, read_events

STARTED = Event(
    EventKind.STUDY_STARTED, None, {"format": FORMAT, "search": "s", "study": {}, "memory": {}}, 1e9
)


def reported(epoch: int, **metrics: float) -> Event:
    content = {"epoch": epoch, "metrics": metrics, "checkpoint": None, "seconds": 0.5}
    return Event(EventKind.TRIAL_REPORTED, 3, content, 1e9 + epoch)


def written(path: Path, *events: Event) -> Path:
    journal = Journal(path)
    for event in events:
        journal.on_event(event)
    journal.close()
    return path


def test_each_event_is_on_the_disk_when_on_event_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, sync = tmp_path / "journal.jsonl", [], os.fsync

    def noted(handle: int) -> None:
        sync(handle)
        synced.append(list(read_events(path)))

    monkeypatch.setattr("tuner.journal.journal.os.fsync", noted)
    events = [STARTED, reported(1, loss=1.0), reported(2, loss=0.5)]
    journal = Journal(path)
    for count, event in enumerate(events, start=1):
        journal.on_event(event)
        assert synced[-1] == events[:count]
    journal.close()


def test_events_survive_a_kill_of_the_next_moment(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    pid = os.fork()
    if pid == 0:
        journal = Journal(path)
        journal.on_event(STARTED)
        journal.on_event(reported(1, loss=1.0))
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert Journal(path).past == [STARTED, reported(1, loss=1.0)]


def test_a_line_that_was_cut_is_dropped_wherever_it_was_cut(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.jsonl", STARTED, reported(1, loss=1.0))
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(whole)):
        path.write_bytes(whole[:end])
        assert Journal(path).past == [STARTED]
        assert path.read_bytes() == whole[:last]  # what comes next does not follow half a line
    written(path, reported(2, loss=0.5))
    assert list(read_events(path)) == [STARTED, reported(2, loss=0.5)]


def test_a_power_failure_may_leave_zeros(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.jsonl", STARTED)
    path.write_bytes(path.read_bytes() + bytes(300))
    written(path, reported(1, loss=1.0))
    assert list(read_events(path)) == [STARTED, reported(1, loss=1.0)]


def test_an_empty_journal_has_no_past(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").touch()
    assert Journal(tmp_path / "journal.jsonl").past == []
    assert Journal(tmp_path / "new.jsonl").past == []


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "trial_rep', "5", "null", "[]", '"text"', "{}", "", "\xff", '{"event": "no_such"}',
        '{"event": "trial_paused", "time": 5}', '{"event": "trial_paused", "time": "yesterday"}',
        '{"event": "trial_reported", "time": "2026-01-01T00:00:00+00:00", "metrics": [1]}',
        '{"event": "trial_reported", "time": "2026-01-01T00:00:00+00:00", "metrics": {"a": []}}',
    ],
)  # fmt: skip
def test_a_damaged_line_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    path = written(tmp_path / "journal.jsonl", STARTED, reported(1, loss=1.0))
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(rows[0] + line.encode("latin-1") + b"\n" + rows[1])
    with pytest.raises(StudyError) as error:
        Journal(path)
    assert str(error.value) == f"{path}:2: is no event of a search; restore the file"
    assert path.read_bytes() == rows[0] + line.encode("latin-1") + b"\n" + rows[1]


@pytest.mark.parametrize("there", [{}, {"format": 1}, {"format": 2}, {"format": FORMAT + 1}])
def test_another_format_is_refused(tmp_path: Path, there: dict[str, int]) -> None:
    path = tmp_path / "journal.jsonl"
    entry = STARTED.to_dict()
    del entry["format"]
    path.write_text(json.dumps(entry | there) + "\n")
    given = there.get("format", 1)
    rule = f"journal.jsonl:1: needs format {FORMAT} of the journal, got {given}: .*; .* into a new folder$"
    with pytest.raises(StudyError, match=rule):
        Journal(path)
    assert json.loads(path.read_text()) == entry | there


def test_what_is_not_finite_survives(tmp_path: Path) -> None:
    concluded = Event(
        EventKind.STUDY_CONCLUDED, None, {"metrics": {"best": math.inf}, "files": [], "tags": {}}
    )
    path = written(tmp_path / "j.jsonl", reported(1, a=math.nan, b=math.inf, c=-math.inf, d=0.5), concluded)
    metrics, concluding = (event.content for event in read_events(path))
    assert math.isnan(metrics["metrics"].pop("a"))
    assert metrics["metrics"] == {"b": math.inf, "c": -math.inf, "d": 0.5}
    assert concluding["metrics"] == {"best": math.inf}
    for line in path.read_text().splitlines():  # as any reader of JSON wants it
        json.loads(line, parse_constant=lambda word: pytest.fail(word))


_NUMBER = st.floats(allow_nan=False)
_PLAIN = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
_TEXT = st.text()
_POINT = st.dictionaries(_TEXT, st.one_of(_PLAIN, st.lists(st.integers(), max_size=3)), max_size=3)
_NUMBERS = st.dictionaries(_TEXT, _NUMBER, max_size=3)
_EPOCH = st.integers(0, 10**6)
_SECONDS = st.floats(0, 1e9)
_STATE = st.one_of(st.none(), _TEXT)
_CONTENT: dict[EventKind, dict[str, st.SearchStrategy[Any]]] = {
    EventKind.STUDY_STARTED: {"format": st.just(FORMAT), "search": _TEXT, "study": _POINT, "memory": _POINT},
    EventKind.STUDY_RESUMED: {"trials": _EPOCH, "resources": _POINT},
    EventKind.STUDY_CONCLUDED: {
        "metrics": _NUMBERS, "files": st.lists(_TEXT, max_size=2), "tags": st.dictionaries(_TEXT, _TEXT),
    },
    EventKind.STUDY_ENDED: {"state": _TEXT, "reason": _TEXT, "trials": st.dictionaries(_TEXT, _EPOCH)},
    EventKind.TRIAL_STARTED: {"params": _POINT, "encoded": _POINT},
    EventKind.TRIAL_REPORTED: {
        "epoch": _EPOCH,
        "metrics": _NUMBERS,
        "checkpoint": _STATE,
        "seconds": _SECONDS,
    },
    EventKind.TRIAL_SAVED: {"epoch": _EPOCH, "checkpoint": _TEXT},
    EventKind.TRIAL_RETRIED: {"cause": _TEXT, "reason": _TEXT, "changes": _POINT, "seconds": _SECONDS},
    EventKind.TRIAL_PAUSED: {},
    EventKind.TRIAL_RESUMED: {
        "action": _TEXT, "donor": _EPOCH, "reason": _TEXT, "params": _POINT, "epoch": _EPOCH,
        "checkpoint": _STATE,
    },
    EventKind.TRIAL_ENDED: {
        "state": _TEXT, "reason": _TEXT, "epoch": _EPOCH, "trace": _TEXT, "seconds": _SECONDS,
    },
}  # fmt: skip
_TIMES = st.integers(0, 4_000_000_000_000_000).map(lambda microseconds: microseconds / 1e6)  # until 2096


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(EventKind))
    trial = draw(_EPOCH) if kind.value.startswith("trial_") else None
    return Event(kind, trial, draw(st.fixed_dictionaries(_CONTENT[kind])), draw(_TIMES))


@settings(max_examples=60, deadline=None)
@given(event=events())
def test_every_event_is_read_as_it_was_written(event: Event) -> None:
    line = json.dumps(event.to_dict(), allow_nan=False)
    assert "\n" not in line
    read = Event.from_dict(json.loads(line))
    assert (read.kind, read.trial, read.content) == (event.kind, event.trial, event.content)
    assert read.time == pytest.approx(event.time, abs=1e-6, rel=0)
    assert read.to_dict() == event.to_dict()


def test_every_kind_has_its_content_here() -> None:
    assert set(_CONTENT) == set(EventKind)


def test_a_full_disk_is_told_with_the_file_and_leaves_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.on_event(STARTED)
    with files_of_at_most(path.stat().st_size + 50), pytest.raises(OSError, match="File too large") as error:
        journal.on_event(reported(1, loss=1.0))
    assert error.value.filename == str(path)
    assert list(read_events(path)) == [STARTED]
    journal.on_event(reported(2, loss=0.5))  # there is room again: nothing of what happened is missing
    journal.close()
    assert list(read_events(path)) == [STARTED, reported(1, loss=1.0), reported(2, loss=0.5)]


def test_a_disk_that_stays_full_does_not_keep_a_journal_open(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.on_event(STARTED)
    with files_of_at_most(path.stat().st_size + 50):
        with pytest.raises(OSError, match="File too large"):
            journal.on_event(reported(1, loss=1.0))
        journal.close()
    assert Journal(path).past == [STARTED]


def test_what_does_not_reach_the_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    monkeypatch.setattr("tuner.journal.journal.os.fsync", _raising(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(OSError, match=r"Input/output error: '.*journal\.jsonl'"):
        journal.on_event(STARTED)
    journal.close()


def _raising(error: Exception) -> Callable[..., None]:
    def act(*args: object) -> None:
        raise error

    return act
