"""Ctrl-C: the first asks a search to end, the second ends the program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.console import Console


@dataclass
class Interrupt:
    """A request to end the search, and its signal (0: none)."""

    event: threading.Event
    signal: int = 0


@contextmanager
def interruptible(console: Console) -> Iterator[Interrupt]:
    """Let the first SIGINT or SIGTERM ask the search to end; a second SIGINT ends the program at once."""
    interrupt = Interrupt(threading.Event())
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def ask(number: int, frame: FrameType | None) -> None:
        interrupt.signal = number
        interrupt.event.set()
        console.print("ending the search, keeping what was found (Ctrl-C again: at once) ...")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
