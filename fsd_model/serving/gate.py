"""How many requests are worked on and how many wait; the rest is told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fsd_model.serving.refusal import RefusalError


class Gate:
    """First come, first served.

    Args:
        inside: at once.
        waiting: at most.
        patience_s: how long each waits.
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
