"""Order numbers from leased blocks: no clock, no worker number, nothing to go wrong when time steps back."""

import asyncio

from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

BLOCK = 1024
"""Numbers a lease gives. What a process has not used when it ends is never used."""

_QUERIES = load_queries("tiffin.sharding")


class Sequence:
    """Numbers that no other process has or will have. Leases the next block while the present one is in use."""

    def __init__(self, directory: Node) -> None:
        self._directory = directory
        self._next = 0
        self._end = 0
        self._lease: asyncio.Task[int] | None = None

    async def take(self) -> int:
        """A fresh number, above 0. `Unavailable` if the block is used up and the directory is away."""
        while self._next >= self._end:
            lease = self._lease = self._lease or asyncio.create_task(self._lease_block())
            try:
                start = await asyncio.shield(lease)
            finally:
                if lease.done() and self._lease is lease:
                    self._lease = None
            if self._next >= self._end:
                self._next, self._end = start, start + BLOCK
        number = self._next
        self._next += 1
        if self._lease is None and self._end - self._next == BLOCK // 2:
            self._lease = asyncio.create_task(self._lease_block())
        return number

    async def _lease_block(self) -> int:
        row = await self._directory.fetchrow(_QUERIES["next_block"])
        assert row is not None
        return row[0] * BLOCK
