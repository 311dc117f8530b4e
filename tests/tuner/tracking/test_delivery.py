"""The courier alone: order, each once, what waits, what is given up, and an end that comes in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.journal.event import Event, EventKind
from tuner.tracking import delivery as courier
from tuner.tracking.delivery import BackgroundDelivery

AWAY, BROKEN, REFUSED = ConnectionError("nobody there"), OSError("it broke"), ValueError("no such thing")
WORTH = {ConnectionError: inf, OSError: 2.0, ValueError: 1.0}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "_AGAIN_S", (0.001, 0.002))
    monkeypatch.setattr(courier, "_ROUND_S", 0.0)
    monkeypatch.setattr(courier, "_MOST", 1)


class Place:
    """Takes events, but for the errors that are due; `reached` is set once it was asked."""

    def __init__(self, errors: list[Exception | None] | None = None, refused: Sequence[int] = ()) -> None:
        self.errors, self.took, self.asked, self.refused = errors or [], list[int](), 0, refused
        self.away = threading.Event()
        self.reached = threading.Event()

    def __call__(self, events: Sequence[Event]) -> None:
        self.asked += 1
        self.reached.set()
        if self.away.is_set():
            raise AWAY
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        numbers = [event.trial or 0 for event in events]
        if set(numbers) & set(self.refused):
            raise REFUSED
        self.took += numbers


def sent_by(deliver: Callable[[Sequence[Event]], None]) -> BackgroundDelivery:
    return BackgroundDelivery(deliver, lambda error: WORTH[type(error)], str, "MLflow")


def take(sender: BackgroundDelivery, numbers: range) -> None:
    for number in numbers:
        sender.take(Event(EventKind.TRIAL_REPORTED, number))


@given(errors=st.lists(st.sampled_from([None, AWAY, BROKEN]), max_size=12))
@settings(max_examples=40, deadline=None)
def test_what_arrives_does_so_in_order_and_each_at_most_once(errors: list[Exception | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(courier, "_AGAIN_S", (0.0001,))
        place = Place(list(errors))
        sender = sent_by(place)
        take(sender, range(8))
        sender.close()
    assert place.took == sorted(set(place.took))
    if BROKEN not in errors:
        assert place.took == list(range(8))


def test_the_search_does_not_wait_and_nothing_is_lost_while_the_place_is_away(
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = Place()
    place.away.set()
    sender = sent_by(place)
    take(sender, range(500))
    assert place.reached.wait(5)
    assert place.took == []
    place.away.clear()
    sender.close()
    assert place.took == list(range(500))
    assert capsys.readouterr().err == (
        "warning: MLflow: nobody there; the search goes on, what waits follows later\n"
    )


def test_each_absence_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    place = Place([AWAY, AWAY, AWAY, None, None, AWAY, AWAY])
    sender = sent_by(place)
    take(sender, range(4))
    sender.close()
    assert place.took == [0, 1, 2, 3]
    assert capsys.readouterr().err.count("what waits follows later") == 2


def test_what_is_refused_is_given_up_at_once_and_named_once_a_kind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = Place([REFUSED, None, REFUSED])
    sender = sent_by(place)
    take(sender, range(4))
    sender.close()
    assert (place.took, place.asked) == ([1, 3], 4)
    assert capsys.readouterr().err.splitlines() == [
        "warning: MLflow: no such thing; left out: trial_reported",
        "warning: MLflow: 2 events were refused and left out; they are in the journal",
    ]


def test_what_fails_for_a_reason_of_the_server_s_own_is_tried_a_few_times() -> None:
    place = Place([BROKEN, None, BROKEN, BROKEN, None])
    sender = sent_by(place)
    take(sender, range(3))
    sender.close()
    assert (place.took, place.asked) == ([0, 2], 5)


def test_an_absence_before_it_fails_does_not_count() -> None:
    place = Place([AWAY, AWAY, AWAY, BROKEN, None])
    sender = sent_by(place)
    take(sender, range(1))
    sender.close()
    assert place.took == [0]


def test_the_end_waits_a_little_and_counts_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(courier, "_LAST_S", 0.2)
    place = Place([None, None])
    sender = sent_by(place)
    take(sender, range(2))
    while len(place.took) < 2:
        time.sleep(0.001)
    place.away.set()
    take(sender, range(2, 7))
    before = time.monotonic()
    sender.close()
    assert time.monotonic() - before < 2
    assert place.took == [0, 1]
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("warning: MLflow: 5 events are not delivered; they are in the journal: ")
    assert "search ... --resume" in last


def test_the_end_cuts_a_long_pause_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "_AGAIN_S", (30.0, 0.01))
    place = Place([AWAY])
    sender = sent_by(place)
    take(sender, range(3))
    assert place.reached.wait(5)
    before = time.monotonic()
    sender.close()
    assert time.monotonic() - before < 5
    assert place.took == [0, 1, 2]


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the next round, which never comes by itself, travels together."""
    monkeypatch.setattr(courier, "_ROUND_S", 600.0)
    monkeypatch.setattr(courier, "_MOST", 100)


@pytest.mark.usefixtures("together")
def test_what_comes_between_two_rounds_travels_together_and_the_end_cuts_the_wait_short() -> None:
    place = Place()
    sender = sent_by(place)
    take(sender, range(1))
    assert place.reached.wait(5)  # the first does not wait
    take(sender, range(1, 250))
    before = time.monotonic()
    sender.close()
    assert time.monotonic() - before < 5
    assert place.took == list(range(250))
    assert place.asked <= 4


@pytest.mark.usefixtures("together")
def test_of_what_travels_together_only_what_is_refused_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = Place([AWAY], refused=(3, 5))
    sender = sent_by(place)
    take(sender, range(8))
    sender.close()
    assert place.took == [0, 1, 2, 4, 6, 7]
    assert "2 events were refused and left out" in capsys.readouterr().err


def test_a_slow_place_is_waited_for_as_long_as_it_takes_something(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LAST_S", "_STUCK_S"):
        monkeypatch.setattr(courier, name, 0.1)
    place = Place()

    def slowly(events: Sequence[Event]) -> None:
        time.sleep(0.03)
        place(events)

    sender = sent_by(slowly)
    take(sender, range(12))
    sender.close()
    assert place.took == list(range(12))


@pytest.fixture
def frozen() -> Iterator[threading.Event]:
    thaw = threading.Event()
    yield thaw
    thaw.set()


def test_a_place_that_froze_does_not_hold_the_end_up(
    frozen: threading.Event, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(courier, "_STUCK_S", 0.1)
    sender = sent_by(lambda events: frozen.wait(30) and None)
    take(sender, range(3))
    before = time.monotonic()
    sender.close()
    assert time.monotonic() - before < 5
    assert "3 events are not delivered" in capsys.readouterr().err
