"""How many batches of one process are under way at a time, whichever nodes they go to.

With many nodes each would otherwise get few operations at a time, and a batch costs much the same whatever
its size. So lanes take turns, and a batch is what gathered while its lane waited. A turn does not outlast
`TURN_S`: a node that is slow, or away, keeps nobody else waiting for longer.
"""

import asyncio
from collections import deque
from collections.abc import Callable

TURN_S = 0.05
"""Longer than a batch takes that waits for nothing, on a busy machine too."""


class Turns:
    """First come, first served; at most so many at a time."""

    def __init__(self, batches: Callable[[], int]) -> None:
        self._batches = batches
        self._under_way = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    async def take(self) -> Callable[[], None]:
        """Wait for a turn. Returns what ends it; ending it twice is harmless."""
        loop = asyncio.get_running_loop()
        if self._under_way < self._batches():
            self._under_way += 1
        else:
            mine = loop.create_future()
            self._queue.append(mine)
            await mine
        timer: asyncio.TimerHandle | None = None

        def end() -> None:
            nonlocal timer
            if timer is not None:
                timer.cancel()
                timer = None
                self._give()

        timer = loop.call_later(TURN_S, end)
        return end

    def _give(self) -> None:
        while self._queue:
            next_one = self._queue.popleft()
            if not next_one.done():  # it may have been cancelled
                next_one.set_result(None)
                return
        self._under_way -= 1
