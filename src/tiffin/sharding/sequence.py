"""Order numbers from leased blocks: no clock, no worker number, nothing to go wrong when time steps back."""

import asyncio

from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

BLOCK = 1024
"""Numbers a lease gives. What a process has not used when it ends is never used."""

_QUERIES = load_queries("tiffin.sharding")


class Sequence:
    """Numbers that no other process has or will have. The next block is leased while one is in use."""

    def __init__(self, directory: Node) -> None:
        self._directory = directory
        self._next = 0
        self._end = 0
        self._spare: int | None = None
        self._lease: asyncio.Task[None] | None = None

    async def take(self) -> int:
        """A fresh number, above 0. `Unavailable` if the block is used up and the directory is away."""
        while self._next >= self._end:
            if self._spare is None:
                await asyncio.shield(self._start_lease())
            else:
                self._next, self._end, self._spare = self._spare, self._spare + BLOCK, None
        number = self._next
        self._next += 1
        if self._end - self._next == BLOCK // 2 and self._spare is None:
            self._start_lease()
        return number

    def _start_lease(self) -> asyncio.Task[None]:
        if self._lease is None:
            self._lease = asyncio.create_task(self._take_lease())
            self._lease.add_done_callback(lambda lease: lease.cancelled() or lease.exception())
        return self._lease

    async def _take_lease(self) -> None:
        try:
            row = await self._directory.fetchrow(_QUERIES["next_block"])
            assert row is not None
            self._spare = row[0] * BLOCK
        finally:
            self._lease = None
