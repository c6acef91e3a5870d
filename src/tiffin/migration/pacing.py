"""How the long parts of a migration are watched, kept from hurrying, and tried again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tiffin.migration.sources import Source
from tiffin.primitives.errors import Unavailable

Tell = Callable[[str, int, int], None]
"""Hears what is being done, and how much of how much of it is done."""

Answer = TypeVar("Answer")

LOOK_INTERVAL_S = 1.0
LAG_MAX_S = 10.0
TRIES_MAX = 30
PAUSE_S = 0.2
PAUSE_MAX_S = 5.0


def tell_nobody(what: str, done: int, total: int) -> None:
    """Nobody watches."""


class Pace:
    """Keeps a reader of a source below a rate, and away from a source that is busy."""

    def __init__(self, source: Source, busy: int, rows_per_s: int | None) -> None:
        self._source = source
        self._busy = busy
        self._rows_per_s = rows_per_s
        self._next_s = 0.0
        self._looked_s = 0.0
        self.waited_s = 0.0
        """For the source, in all."""

    async def step(self, rows: int) -> None:
        """To be called before each read, with the rows of the last one."""
        loop = asyncio.get_running_loop()
        if self._rows_per_s:
            self._next_s = max(self._next_s, loop.time()) + rows / self._rows_per_s
            await asyncio.sleep(self._next_s - loop.time())
        if loop.time() - self._looked_s < LOOK_INTERVAL_S:
            return
        while True:
            self._looked_s = loop.time()
            load = await self._source.load()
            if load.active <= self._busy and load.lag_s <= LAG_MAX_S:
                return
            self.waited_s += LOOK_INTERVAL_S
            await asyncio.sleep(LOOK_INTERVAL_S)


async def patiently(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of a call that may be repeated; `Unavailable` when it was so for too long."""
    pause_s = PAUSE_S
    for _ in range(TRIES_MAX - 1):
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
    return await call()
