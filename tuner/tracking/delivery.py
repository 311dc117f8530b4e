"""Delivers events to a place that may be away for a while: in order, each once, off the search's own path."""

from __future__ import annotations

import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from tuner.journal.event import Event, EventKind

_ROUND_S = 2.0  # from one delivery to the next, so that what is small travels together
_MOST = 100  # events of one delivery
_AGAIN_S = (0.5, 1.0, 2.0, 5.0)  # between attempts to reach a server that does not answer
_LAST_S = 15.0  # at the end of a search
_STUCK_S = 60.0  # of one delivery, at the end: a database that has frozen never says so


class BackgroundDelivery:
    """One thread that delivers; what it cannot deliver waits, and the search does not.

    Args:
        deliver: delivers events in order; may be called again with some that got through, whole or in part.
        worth: how many attempts an error is worth, inf where the place only does not answer. After that they
            are tried one by one, and one that fails alone as often is given up.
        reason: an error in one line.
        name: of the place, for a warning.
    """

    def __init__(
        self, deliver: Callable[[Sequence[Event]], None], worth: Callable[[Exception], float],
        reason: Callable[[Exception], str], name: str,
    ) -> None:  # fmt: skip
        self._deliver, self._worth, self._reason, self._name = deliver, worth, reason, name
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._deadline, self._next = float("inf"), 0.0
        self._taken, self._handled, self._given_up = 0, 0, 0
        self._away, self._pause_cut_short = False, False
        self._refused: set[EventKind] = set()
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"courier to {name}")
        self._thread.start()

    def take(self, event: Event) -> None:
        """Deliver an event soon."""
        self._taken += 1
        self._events.put(event)

    def close(self) -> None:
        """Deliver what waits, for some seconds more if the place does not answer."""
        self._deadline = time.monotonic() + _LAST_S
        self._closing.set()
        self._events.put(None)
        handled = -1
        while self._thread.is_alive() and handled != self._handled:
            handled = self._handled
            self._thread.join(_STUCK_S)
        if waiting := self._taken - self._handled:
            way_out = "they are in the journal: `fsd-tuner search ... --resume` delivers them"
            self._warn(f"{waiting} events are not delivered; {way_out}")
        if self._given_up:
            self._warn(f"{self._given_up} events were refused and left out; they are in the journal")

    def _work(self) -> None:
        while (events := self._gathered()) and self._deliver_with_retries(events):
            pass  # what follows builds on it

    def _gathered(self) -> list[Event]:
        """What has come since the last round; waits for the first of them. None at the end."""
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
        """Try until it works, is given up, or the time after the end is over: only then False."""
        attempts, failures = 0, 0
        while True:
            try:
                self._deliver(events)
            except Exception as error:  # noqa: BLE001 - a library's; the search must not end with this thread
                worth = self._worth(error)
                attempts, failures = attempts + 1, failures + math.isfinite(worth)
                if failures >= worth:
                    return self._one_by_one(events, error)
                pause = _AGAIN_S[min(attempts, len(_AGAIN_S)) - 1]
                if time.monotonic() + pause > self._deadline:
                    return False
                if not self._away:
                    self._warn(f"{self._reason(error)}; the search goes on, what waits follows later")
                self._away = True
                self._pause(pause)
            else:
                self._away = False
                self._handled += len(events)
                return True

    def _one_by_one(self, events: Sequence[Event], error: Exception) -> bool:
        if len(events) > 1:  # which of them is refused?
            return all(self._deliver_with_retries([event]) for event in events)
        self._give_up(events[0], error)
        return True

    def _give_up(self, event: Event, error: Exception) -> None:
        self._given_up += 1
        self._handled += 1
        if event.kind not in self._refused:  # the next of its kind is likely to fail alike
            self._warn(f"{self._reason(error)}; left out: {event.kind.value}")
        self._refused.add(event.kind)

    def _pause(self, seconds: float) -> None:
        """The end of the search cuts a pause short, once."""
        if self._pause_cut_short:
            time.sleep(seconds)
        else:
            self._pause_cut_short = self._closing.wait(seconds)

    def _warn(self, text: str) -> None:
        print(f"warning: {self._name}: {text}", file=sys.stderr)
