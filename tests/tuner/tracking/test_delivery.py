"""BackgroundDelivery: order, each event once, waiting, what is left out, and an end in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.journal.event import Event, EventKind
from tuner.tracking import delivery
from tuner.tracking.delivery import BackgroundDelivery, grouped

UNREACHABLE, BROKEN, REFUSED = (
    ConnectionError("nobody there"),
    OSError("it broke"),
    ValueError("no such thing"),
)
MAX_ATTEMPTS = {ConnectionError: inf, OSError: 2.0, ValueError: 1.0}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_RETRY_S", (0.001, 0.002))
    monkeypatch.setattr(delivery, "_ROUND_S", 0.0)
    monkeypatch.setattr(delivery, "_MOST", 1)


class FakeServer:
    """Accepts events except for the errors that are due; `reached` is set by the first call."""

    def __init__(self, errors: list[Exception | None] | None = None, refused: Sequence[int] = ()) -> None:
        self.errors, self.accepted, self.calls, self.refused = errors or [], list[int](), 0, refused
        self.unreachable = threading.Event()
        self.reached = threading.Event()

    def __call__(self, events: Sequence[Event]) -> None:
        self.calls += 1
        self.reached.set()
        if self.unreachable.is_set():
            raise UNREACHABLE
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        numbers = [event.trial or 0 for event in events]
        if set(numbers) & set(self.refused):
            raise REFUSED
        self.accepted += numbers


def sent_by(deliver: Callable[[Sequence[Event]], None]) -> BackgroundDelivery:
    return BackgroundDelivery(deliver, lambda error: MAX_ATTEMPTS[type(error)], str, "MLflow")


def add(sender: BackgroundDelivery, numbers: range) -> None:
    for number in numbers:
        sender.add(Event(EventKind.TRIAL_REPORTED, number))


@given(errors=st.lists(st.sampled_from([None, UNREACHABLE, BROKEN]), max_size=12))
@settings(max_examples=40, deadline=None)
def test_events_arrive_in_order_and_at_most_once(errors: list[Exception | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "_RETRY_S", (0.0001,))
        server = FakeServer(list(errors))
        sender = sent_by(server)
        add(sender, range(8))
        sender.close()
    assert server.accepted == sorted(set(server.accepted))
    if BROKEN not in errors:
        assert server.accepted == list(range(8))


def test_the_search_does_not_wait_and_nothing_is_lost_while_the_server_is_unreachable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = FakeServer()
    server.unreachable.set()
    sender = sent_by(server)
    add(sender, range(500))
    assert server.reached.wait(5)
    assert server.accepted == []
    server.unreachable.clear()
    sender.close()
    assert server.accepted == list(range(500))
    assert capsys.readouterr().err == (
        "warning: MLflow: nobody there; the search continues, events are delivered later\n"
    )


def test_each_outage_is_one_warning(capsys: pytest.CaptureFixture[str]) -> None:
    server = FakeServer([UNREACHABLE, UNREACHABLE, UNREACHABLE, None, None, UNREACHABLE, UNREACHABLE])
    sender = sent_by(server)
    add(sender, range(4))
    sender.close()
    assert server.accepted == [0, 1, 2, 3]
    assert capsys.readouterr().err.count("events are delivered later") == 2


def test_refused_events_are_left_out_at_once_with_one_warning_per_kind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = FakeServer([REFUSED, None, REFUSED])
    sender = sent_by(server)
    add(sender, range(4))
    sender.close()
    assert (server.accepted, server.calls) == ([1, 3], 4)
    assert capsys.readouterr().err.splitlines() == [
        "warning: MLflow: no such thing; left out: trial_reported",
        "warning: MLflow: 2 events were refused and left out; they are in the journal",
    ]


def test_a_server_error_is_retried_a_few_times() -> None:
    server = FakeServer([BROKEN, None, BROKEN, BROKEN, None])
    sender = sent_by(server)
    add(sender, range(3))
    sender.close()
    assert (server.accepted, server.calls) == ([0, 2], 5)


def test_an_outage_does_not_count_as_an_attempt() -> None:
    server = FakeServer([UNREACHABLE, UNREACHABLE, UNREACHABLE, BROKEN, None])
    sender = sent_by(server)
    add(sender, range(1))
    sender.close()
    assert server.accepted == [0]


def test_the_end_waits_a_little_and_counts_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(delivery, "_CLOSE_S", 0.2)
    server = FakeServer([None, None])
    sender = sent_by(server)
    add(sender, range(2))
    while len(server.accepted) < 2:
        time.sleep(0.001)
    server.unreachable.set()
    add(sender, range(2, 7))
    before = time.monotonic()
    sender.close()
    assert time.monotonic() - before < 2
    assert server.accepted == [0, 1]
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("warning: MLflow: 5 events are not delivered; they are in the journal: ")
    assert "search ... --resume" in last


def test_the_end_cuts_a_long_pause_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_RETRY_S", (30.0, 0.01))
    server = FakeServer([UNREACHABLE])
    sender = sent_by(server)
    add(sender, range(3))
    assert server.reached.wait(5)
    before = time.monotonic()
    sender.close()
    assert time.monotonic() - before < 5
    assert server.accepted == [0, 1, 2]


@pytest.fixture
def long_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next round never comes by itself, so what waits is delivered together."""
    monkeypatch.setattr(delivery, "_ROUND_S", 600.0)
    monkeypatch.setattr(delivery, "_MOST", 100)


@pytest.mark.usefixtures("long_rounds")
def test_events_between_two_rounds_are_delivered_together_and_the_end_cuts_the_wait_short() -> None:
    server = FakeServer()
    sender = sent_by(server)
    add(sender, range(1))
    assert server.reached.wait(5)  # the first does not wait
    add(sender, range(1, 250))
    before = time.monotonic()
    sender.close()
    assert time.monotonic() - before < 5
    assert server.accepted == list(range(250))
    assert server.calls <= 4


@pytest.mark.usefixtures("long_rounds")
def test_only_the_refused_events_of_a_batch_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = FakeServer([UNREACHABLE], refused=(3, 5))
    sender = sent_by(server)
    add(sender, range(8))
    sender.close()
    assert server.accepted == [0, 1, 2, 4, 6, 7]
    assert "2 events were refused and left out" in capsys.readouterr().err


def test_a_slow_server_is_waited_for_as_long_as_it_makes_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_CLOSE_S", "_STUCK_S"):
        monkeypatch.setattr(delivery, name, 0.1)
    server = FakeServer()

    def slowly(events: Sequence[Event]) -> None:
        time.sleep(0.03)
        server(events)

    sender = sent_by(slowly)
    add(sender, range(12))
    sender.close()
    assert server.accepted == list(range(12))


@pytest.fixture
def frozen() -> Iterator[threading.Event]:
    thaw = threading.Event()
    yield thaw
    thaw.set()


def test_a_frozen_server_does_not_hold_up_the_end(
    frozen: threading.Event, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(delivery, "_STUCK_S", 0.1)
    sender = sent_by(lambda events: frozen.wait(30) and None)
    add(sender, range(3))
    before = time.monotonic()
    sender.close()
    assert time.monotonic() - before < 5
    assert "3 events are not delivered" in capsys.readouterr().err


KINDS = [
    EventKind.TRIAL_STARTED,
    EventKind.TRIAL_REPORTED,
    EventKind.TRIAL_REPORTED,
    EventKind.TRIAL_RETRIED,
    EventKind.TRIAL_ENDED,
]
trial_events = st.builds(Event, st.sampled_from(KINDS), st.integers(0, 2), st.just({}))
study_events = st.builds(
    Event, st.sampled_from([EventKind.STUDY_RESUMED, EventKind.STUDY_ENDED]), st.none(), st.just({})
)


@given(events=st.lists(st.one_of(trial_events, trial_events, study_events), max_size=30))
def test_grouping_keeps_the_order_of_each_trial_and_of_the_study(events: list[Event]) -> None:
    groups = list(grouped(events))
    flat = [event for group in groups for event in group]
    assert sorted(map(id, flat)) == sorted(map(id, events))
    for trial in range(3):
        seen = [each for each in flat if each.trial in (trial, None)]
        assert seen == [each for each in events if each.trial in (trial, None)]
    assert all(
        len(group) == 1 or {each.kind for each in group} == {EventKind.TRIAL_REPORTED} for group in groups
    )


def test_reports_of_two_trials_side_by_side_are_two_groups() -> None:
    events = [Event(EventKind.TRIAL_REPORTED, number % 2, {"epoch": number}) for number in range(10)]
    events.append(Event(EventKind.TRIAL_ENDED, 1))
    assert [[each.trial for each in group] for group in grouped(events)] == [[1] * 5, [1], [0] * 5]
