"""Deliver events in order from a background thread, retrying while the server is unreachable."""

from __future__ import annotations

import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from tuner.journal.event import Event, EventKind

_ROUND_S = 2.0  # between deliveries, so that small events travel together
_MOST = 100  # events per delivery
_RETRY_S = (0.5, 1.0, 2.0, 5.0)  # pauses while the server does not answer
_CLOSE_S = 15.0  # time for the rest at the end of a search
_STUCK_S = 60.0  # time for one delivery at the end: a frozen database never answers


class BackgroundDelivery:
    """One thread that delivers. What cannot be delivered waits; the search never does.

    Args:
        deliver: delivers events in order; may be called again with events that got through, all or some.
        max_attempts: how often to try after an error, inf while the server is unreachable. After that the
            events are tried one by one, and one that fails alone as often is left out.
        reason: an error in one line.
        name: of the server, for warnings.
    """

    def __init__(
        self, deliver: Callable[[Sequence[Event]], None], max_attempts: Callable[[Exception], float],
        reason: Callable[[Exception], str], name: str,
    ) -> None:  # fmt: skip
        self._deliver, self._max_attempts, self._reason, self._name = deliver, max_attempts, reason, name
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._deadline, self._next = float("inf"), 0.0
        self._added, self._handled, self._left_out = 0, 0, 0
        self._unreachable, self._pause_was_cut = False, False
        self._refused: set[EventKind] = set()
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"delivery to {name}")
        self._thread.start()

    def add(self, event: Event) -> None:
        """Deliver an event soon."""
        self._added += 1
        self._events.put(event)

    def close(self) -> None:
        """Deliver what is left, and stop; after some seconds even if the server does not answer."""
        self._deadline = time.monotonic() + _CLOSE_S
        self._closing.set()
        self._events.put(None)
        handled = -1
        # a slow server is waited for as long as it makes progress
        while self._thread.is_alive() and handled != self._handled:
            handled = self._handled
            self._thread.join(_STUCK_S)
        if waiting := self._added - self._handled:
            way_out = "they are in the journal: `fsd-tuner search ... --resume` delivers them"
            self._warn(f"{waiting} events are not delivered; {way_out}")
        if self._left_out:
            self._warn(f"{self._left_out} events were refused and left out; they are in the journal")

    def _work(self) -> None:
        # stop at the first batch that stays undelivered: later events build on it
        while (events := self._gathered()) and self._deliver_with_retries(events):
            pass

    def _gathered(self) -> list[Event]:
        """Return what has come since the last round, waiting for the first event; empty at the end."""
        events: list[Event] = []
        if (first := self._events.get()) is None:
            return events
        if self._events.qsize() < _MOST:
            self._closing.wait(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + _ROUND_S
        with suppress(queue.Empty):
            event: Event | None = first
            while event is not None:
                events.append(event)
                if len(events) == _MOST:
                    return events
                event = self._events.get_nowait()
            self._events.put(None)  # for the next round, which is the end
        return events

    def _deliver_with_retries(self, events: Sequence[Event]) -> bool:
        """Try until delivered or left out; return False only if the time after the end is over."""
        attempts, failures = 0, 0  # failures: attempts that the server answered with an error
        while True:
            try:
                self._deliver(events)
            except Exception as error:  # noqa: BLE001 - from a library; must not end this thread
                allowed = self._max_attempts(error)
                attempts, failures = attempts + 1, failures + math.isfinite(allowed)
                if failures >= allowed:
                    return self._deliver_one_by_one(events, error)
                pause = _RETRY_S[min(attempts, len(_RETRY_S)) - 1]
                if time.monotonic() + pause > self._deadline:
                    return False
                if not self._unreachable:
                    self._warn(f"{self._reason(error)}; the search continues, events are delivered later")
                self._unreachable = True
                self._pause_cut_short(pause)
            else:
                self._unreachable = False
                self._handled += len(events)
                return True

    def _deliver_one_by_one(self, events: Sequence[Event], error: Exception) -> bool:
        if len(events) > 1:  # find the one that is refused
            return all(self._deliver_with_retries([event]) for event in events)
        self._leave_out(events[0], error)
        return True

    def _leave_out(self, event: Event, error: Exception) -> None:
        self._left_out += 1
        self._handled += 1
        if event.kind not in self._refused:  # further events of this kind are likely to fail alike
            self._warn(f"{self._reason(error)}; left out: {event.kind.value}")
        self._refused.add(event.kind)

    def _pause_cut_short(self, seconds: float) -> None:
        """Sleep; the end of the search cuts one pause short, so that a server that is back gets the rest."""
        if self._pause_was_cut:
            time.sleep(seconds)
        else:
            self._pause_was_cut = self._closing.wait(seconds)

    def _warn(self, text: str) -> None:
        print(f"warning: {self._name}: {text}", file=sys.stderr)


def grouped(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Group the events that one call can deliver.

    Consecutive reports of one trial form a group, also if events of other trials lie between; every other
    event is a group by itself. The order within a trial is kept; an event of the study comes after all events
    before it.
    """
    reports: dict[int | None, list[Event]] = {}
    for event in events:
        if event.kind is EventKind.TRIAL_REPORTED:
            reports.setdefault(event.trial, []).append(event)
            continue
        for trial in [event.trial] if event.trial is not None else list(reports):
            if trial in reports:
                yield reports.pop(trial)
        yield [event]
    yield from reports.values()
