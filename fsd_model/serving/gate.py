"""Limits how many requests are processed and how many wait; the others are refused with a retry time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fsd_model.serving.refusal import RefusalError


class Gate:
    """A queue, first come, first served.

    Args:
        inside: number of requests processed at once.
        waiting: largest number of waiting requests.
        patience_s: longest wait, seconds.
    """

    def __init__(self, inside: int, waiting: int, patience_s: float) -> None:
        self._slots = asyncio.Semaphore(inside)
        self._waiting, self._most, self._patience_s = 0, waiting, patience_s

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it.

        Raises:
            RefusalError: 503, too many wait already or the turn did not come in time.
        """
        if self._waiting >= self._most:
            raise RefusalError(503, f"busy: {self._waiting} requests wait already; ask again later", 5)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await self._slots.acquire()
        except TimeoutError:
            busy = f"busy: no turn within {self._patience_s:g} s; ask again later"
            raise RefusalError(503, busy, 10) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()
