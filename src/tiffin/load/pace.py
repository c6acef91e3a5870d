"""How fast a day goes by: so many times as fast as it was, or as fast as the platform takes it."""

import asyncio
from typing import Protocol


class Pace(Protocol):
    """Moments are seconds of the event loop's clock."""

    speed: float | None
    """Seconds of the day in one real second; None: no waits."""

    async def begin(self, at_s: float) -> float:
        """Wait until the order that comes at this second of the day may start; its intended moment."""
        ...

    def end(self) -> None:
        """An order that began has come to its end."""
        ...

    async def pause(self, day_s: float) -> float:
        """Let so many seconds of the day pass; the moment they were over."""
        ...

    async def park(self, real_s: float) -> None:
        """Wait for something that takes real time, and let others go ahead meanwhile."""
        ...


class Timed:
    """Open loop: every order begins at its moment, however slow the platform is."""

    def __init__(self, speed: float, first_at_s: float) -> None:
        self.speed: float | None = speed
        self._factor = speed
        self._origin = asyncio.get_running_loop().time() - first_at_s / speed

    async def begin(self, at_s: float) -> float:
        return await _until(self._origin + at_s / self._factor)

    def end(self) -> None:
        pass

    async def pause(self, day_s: float) -> float:
        return await _until(asyncio.get_running_loop().time() + day_s / self._factor)

    async def park(self, real_s: float) -> None:
        await asyncio.sleep(real_s)


class FlatOut:
    """Closed loop: at most `orders_max` orders at work; one that only waits makes room for another.

    At most `parked_max` wait at once, so a platform that stops moving stops the day too.
    """

    def __init__(self, orders_max: int = 64, parked_max: int = 4096) -> None:
        self.speed: float | None = None
        self._working = asyncio.Semaphore(orders_max)
        self._parked = asyncio.Semaphore(parked_max)

    async def begin(self, at_s: float) -> float:
        await self._working.acquire()
        return asyncio.get_running_loop().time()

    def end(self) -> None:
        self._working.release()

    async def pause(self, day_s: float) -> float:
        return asyncio.get_running_loop().time()

    async def park(self, real_s: float) -> None:
        async with self._parked:
            self._working.release()
            try:
                await asyncio.sleep(real_s)
            finally:
                await self._working.acquire()


async def _until(moment: float) -> float:
    left = moment - asyncio.get_running_loop().time()
    if left > 0:
        await asyncio.sleep(left)
    return moment
