"""Reports on their way from a trial function to Ray, while the trial function computes its next epoch.

Ray Tune answers a report some milliseconds after it was made. A trial has to wait for that only where the
answer can be that it ends; else it goes on, and hears of the answer at its next report.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Collection
from typing import Any

from tuner.metrics import EPOCH, VALUE

Result = dict[str, Any]


class Handover:
    """One report at a time, in order: the next one is handed over when the last one is answered.

    So a process that dies takes at most one report with it, and of two saved states the driver knows one.

    Args:
        asks: reports (by epoch) whose answer is waited for; None for all. One without a finite value always
            waits.
    """

    def __init__(self, asks: Collection[int] | None) -> None:
        self._asks = None if asks is None else frozenset(asks)
        self._results: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._answered = threading.Event()
        self._answered.set()
        self._stopped = False

    def settle(self) -> None:
        """Wait until the last report is answered.

        Raises:
            SystemExit: the attempt ends with it.
        """
        self._answered.wait()
        if self._stopped:
            raise SystemExit

    def tell(self, result: Result) -> None:
        """Hand a report over; raises as `settle` of the last one, or of this one where that is waited for."""
        self.settle()
        self._answered.clear()
        self._results.put(result)
        if self._asks is None or result[EPOCH] in self._asks or not math.isfinite(result[VALUE]):
            self.settle()

    def end(self) -> None:
        """There are no more reports."""
        self._results.put(None)

    def deliver(self, report: Callable[[Result], None]) -> None:
        """Pass reports on until there are no more; raises what `report` raises, as it does at the end."""
        try:
            while (result := self._results.get()) is not None:
                report(result)
                self._answered.set()
        except BaseException:
            self._stopped = True
            self._answered.set()
            raise


def run_beside(
    work: Callable[[Handover], None], asks: Collection[int] | None, report: Callable[[Result], None]
) -> None:
    """Run a trial function in a thread of its own while this one reports.

    Args:
        work: what runs there; reports through what it is given.
        asks: as for `Handover`.
        report: passes a report on and waits for its answer; raises SystemExit where the attempt ends.
    Raises:
        SystemExit: `report` did, and the trial function has ended.
        BaseException: what the trial function raised, after all its reports were passed on.
    """
    handover = Handover(asks)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work(handover)
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            raised.append(error)
        finally:
            handover.end()

    thread = threading.Thread(target=run, daemon=True, name="trial function")
    thread.start()
    try:
        handover.deliver(report)
    finally:
        thread.join()
    if raised:
        raise raised[0]
