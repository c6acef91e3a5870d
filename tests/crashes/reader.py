"""A consumer whose every step comes when it is wanted."""

import asyncio

from crashes.clock import SharedClock
from crashes.seam import OWN
from tiffin.events.consumer import Consumer
from tiffin.events.reader import Cursor
from tiffin.events.runner import ConsumerRunner, backlog
from tiffin.storage.node import Connection, Node

_LEADERS = """
SELECT FROM pg_locks JOIN pg_database d ON d.oid = database
 WHERE locktype = 'advisory' AND datname = current_database()
   AND (classid::bigint << 32 | objid::bigint) = hashtextextended('tiffin consumer ' || $1, 0)
"""
"""Who holds the lock of a consumer's leader."""


class Reader:
    """A consumer's runner, led step by step, so that the same steps come in the same order every time."""

    def __init__(self, node: Node, consumer: Consumer, clock: SharedClock) -> None:
        self._node, self._name = node, consumer.name
        self._runner = ConsumerRunner(consumer, node, clock)
        self._runner._waiting = _Looking()  # type: ignore[assignment]
        self._connection: Connection | None = None
        self._cursor: Cursor | None = None

    async def to_the_end(self, written: int) -> None:
        """Until there is nothing that it has not handled; `written` is the number of the last event."""
        if self._connection is None:
            while await self._node.fetch(OWN + _LEADERS, self._name):
                await asyncio.sleep(0.005)  # the process before this one is being cleared away
            self._connection = await self._runner._lead()
            self._cursor = await self._runner._cursor(self._connection)
        while self._position != written and await backlog(self._node, self._name):
            await self._runner._delivery.tend()
            self._cursor = await self._runner._advance(self._connection, self._cursor)

    @property
    def _position(self) -> int:
        return self._cursor.position if self._cursor else 0


class _Looking:
    """In place of waiting to be woken: what is there and cannot be read yet is looked for again."""

    def found(self) -> None: ...

    def notified(self, *of: object) -> None: ...

    async def wait(self) -> None:
        await asyncio.sleep(0.005)
