"""Waiting for the log to have more."""

import asyncio

POLL_S = 1.0
"""The longest wait: a reader whose wake-ups are lost still looks so often."""
SOON_S = 0.01


class Waiting:
    """Woken by `notified`, and looks by itself: soon at first, then later and later.

    Soon, because a wake-up may come too early: what it announces cannot be read while any older transaction
    runs, and the end of that one need not wake anybody.
    """

    def __init__(self) -> None:
        self._wake = asyncio.Event()
        self._longest_s = SOON_S

    def notified(self, *_: object) -> None:
        """Something has been appended. Fits asyncpg's listeners."""
        self._wake.set()
        self._longest_s = SOON_S

    def found(self) -> None:
        """There was something; more may be held back."""
        self._longest_s = SOON_S

    async def wait(self) -> None:
        """Until it is time to look (again)."""
        try:
            async with asyncio.timeout(self._longest_s):
                await self._wake.wait()
        except TimeoutError:
            self._longest_s = min(self._longest_s * 2, POLL_S)
        self._wake.clear()
