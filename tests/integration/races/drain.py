"""Everything that goes on by itself: readers of the log and loops, until nothing is left to do."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from integration.races.process import Process
from integration.races.scene import Scene
from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.reader import QUERIES, START, Cursor, read_of_types
from tiffin.sharding.order_id import customer_shard
from tiffin.storage.node import Connection, Node

PAUSE_S = 0.005
_COLUMNS = ", ".join(
    f"xid::text::bigint AS {name}" if name == "xid" else "0 AS day" if name == "day" else name
    for name in Event._fields
)
_OF_SCENE = f"""
SELECT {_COLUMNS} FROM log.events
 WHERE dimension = 'customer' AND shard = $1 AND (key = $2 OR key LIKE $2 || '-%')
 ORDER BY log.events.xid, position
"""


class _Reader:
    """A consumer on a connection of its own."""

    def __init__(self, node: Node, consumer: Consumer, connection: Connection) -> None:
        self._node, self._consumer, self.connection = node, consumer, connection
        self._cursor: Cursor = START

    async def read(self) -> bool:
        """Handle what can be read now. Whether there was anything."""
        events, seen, _, end = await read_of_types(self.connection, self._cursor, self._consumer.types)
        if events:
            await self._consumer.handle(events)
        if seen:
            await self.connection.execute(
                QUERIES["move_cursor"],
                self._consumer.name,
                str(end.xid),
                end.position,
                end.day,
                0,
            )
            self._cursor = end
        return bool(seen)

    async def read_all(self) -> bool:
        """To the end. Nothing to read is not the end: a transaction anywhere on the server holds back what
        came after it began."""
        any_ = False
        while await self._has_more():
            if await self.read():
                any_ = True
            else:
                await asyncio.sleep(PAUSE_S)
        return any_

    async def _has_more(self) -> bool:
        row = await self._node.fetchrow(QUERIES["backlog"], self._consumer.name)
        return row is not None and row["events"] > 0


class Drain:
    """A process's readers and loops."""

    def __init__(self, nodes: Sequence[Node], process: Process) -> None:
        self._nodes, self._process = nodes, process
        self._readers: list[_Reader] = []

    def later(self, seconds: float) -> datetime:
        return self._process.clock.base + timedelta(seconds=seconds)

    async def events_of(self, scene: Scene) -> list[Any]:
        """What the log says of an order, its payments and its cases, as consumers get it."""
        shard = customer_shard(int(scene.id))
        node = self._process.router.node("customer", shard)
        return [Event(*row) for row in await node.fetch(_OF_SCENE, shard, scene.id)]

    async def until_quiet(self) -> None:
        """Until nothing moves any more at this moment."""
        await self._open()
        while await self._once():
            pass

    @asynccontextmanager
    async def going_on(self) -> AsyncGenerator[None]:
        """Readers that hear of everything while it happens."""
        await self._open()
        ends = asyncio.Event()
        task = asyncio.create_task(self._read_until(ends))
        try:
            yield
        finally:
            ends.set()
            await task

    async def close(self) -> None:
        for reader in self._readers:
            await reader.connection.close()

    async def _once(self) -> bool:
        moved = [await self._process.sweep(), await self._process.settle(), await self._process.work()]
        heard = [await reader.read_all() for reader in self._readers]  # what the loops have just done, too
        return any(heard) or any(moved)

    async def _read_until(self, ends: asyncio.Event) -> None:
        while not ends.is_set():
            if not any([await reader.read() for reader in self._readers]):
                await asyncio.sleep(PAUSE_S)

    async def _open(self) -> None:
        if self._readers:
            return
        for node in self._nodes:
            for reader in self._process.readers:
                consumer = Consumer(reader.name, reader.handle, types=getattr(reader, "types", None))
                self._readers.append(_Reader(node, consumer, await node.connect()))
