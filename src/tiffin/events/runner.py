"""The transport `log`: consumers that read a node's log from a kept cursor. No broker is needed."""

import asyncio
from datetime import datetime

import structlog
from prometheus_client import Gauge

from tiffin.events.consumer import Consumer
from tiffin.events.delivery import Delivery
from tiffin.events.gathering import gathered
from tiffin.events.reader import (
    CHANNEL,
    QUERIES,
    START,
    Batch,
    Cursor,
    from_moment,
    oldest_after,
    read_of_types,
)
from tiffin.events.waiting import Waiting
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import CONNECTION_LOST, STATEMENT_TIMEOUT_S, Connection, Node

STAND_IN_S = 1.0
"""How soon a runner takes over from one that is gone."""
PAUSE_S = 0.05
PAUSE_MAX_S = 5.0
MEASURE_INTERVAL_S = 1.0
"""How often a reader that finds nothing asks whether something is held back or its cursor has been set."""
DRAIN_S = 5.0
"""So long a runner that is cancelled may take to finish the batch it is at."""

_log = structlog.get_logger()
_behind = Gauge(
    "tiffin_consumer_behind_seconds", "Age of the oldest event that is not handled yet.", ["consumer", "node"]
)


class _CursorWasSet(Exception):
    """Somebody has set the cursor anew: what is to be handled is to be read from there."""


class ConsumerRunner:
    """Runs one consumer on one node. Of several processes one leads; the others stand by."""

    def __init__(self, consumer: Consumer, node: Node, clock: Clock) -> None:
        self._consumer = consumer
        self._node = node
        self._clock = clock
        self._waiting = Waiting()
        self._delivery = Delivery(consumer, node, clock, "log")
        self._generation = 0
        self._oldest_at: datetime | None = None
        """Of the events not handled yet, as far as is known."""
        self._measured_s = -MEASURE_INTERVAL_S
        _behind.labels(consumer.name, node.name).set_function(self._behind_s)

    async def run(self) -> None:
        """For ever: lead, read, deliver, remember. Ends by cancellation: a batch that is being delivered may
        end within `DRAIN_S` and is remembered, if nothing it needs is away. A second cancellation ends it at
        once."""
        try:
            await self._run()
        finally:
            self._oldest_at = None  # nobody is behind on a node that has left

    async def _run(self) -> None:
        pause_s = PAUSE_S
        while True:
            connection: Connection | None = None
            try:
                connection = await self._lead()
                self._delivery.took_over()
                cursor = await self._cursor(connection)
                while True:
                    await self._delivery.tend()
                    cursor = await self._advance(connection, cursor)
                    pause_s = PAUSE_S
            except _CursorWasSet:
                _log.info("consumer_cursor_set", consumer=self._consumer.name, node=self._node.name)
                pause_s = PAUSE_S
            except (Unavailable, *CONNECTION_LOST) as error:
                _log.warning("consumer_paused", consumer=self._consumer.name, error=repr(error))
                self._delivery.tally.failed(repr(error))
            except Exception as error:
                _log.exception("consumer_failed", consumer=self._consumer.name, node=self._node.name)
                self._delivery.tally.failed(repr(error))
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _lead(self) -> Connection:
        """A connection that leads, once no other one does."""
        connection = await self._node.connect(STATEMENT_TIMEOUT_S)
        try:
            if self._consumer.listens:
                await connection.add_listener(CHANNEL, self._waiting.notified)
            await connection.execute(QUERIES["forgettable"])
            while not await connection.fetchval(QUERIES["lead"], self._consumer.name):
                self._oldest_at = None  # whoever leads tells
                await asyncio.sleep(STAND_IN_S)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _advance(self, connection: Connection, cursor: Cursor) -> Cursor:
        """Deliver what there is; if there is nothing, wait until something may be."""
        batch = await read_of_types(connection, cursor, self._consumer.types, self._consumer.batch_max)
        if batch.oldest_at is None:
            await self._measure(connection, cursor)
            await self._waiting.wait()
            return cursor
        self._waiting.found()
        self._oldest_at = batch.oldest_at
        await self._to_its_end(connection, batch)
        self._oldest_at = None
        if batch.seen < self._consumer.batch_max:
            await gathered(self._consumer.gather_s)
        return batch.end

    async def _to_its_end(self, connection: Connection, batch: Batch) -> None:
        """Deliver a batch and remember that, also if this runner is being ended meanwhile."""
        work = asyncio.ensure_future(self._deliver(connection, batch))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._delivery.stop()
            try:
                await asyncio.wait([work], timeout=DRAIN_S)
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
            raise

    async def _deliver(self, connection: Connection, batch: Batch) -> None:
        await self._delivery.deliver(batch.events)
        self._delivery.tally.passed(batch.seen - len(batch.events))
        await self._move(connection, batch.end)

    async def _move(self, connection: Connection, end: Cursor) -> None:
        moved = await connection.fetchval(
            QUERIES["move_cursor"], self._consumer.name, str(end.xid), end.position, end.day, self._generation
        )
        if moved is None:
            raise _CursorWasSet

    async def _measure(self, connection: Connection, cursor: Cursor) -> None:
        """See what cannot be read yet: an older transaction, of any database of the server, still runs."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._measured_s >= MEASURE_INTERVAL_S:
            self._oldest_at = await oldest_after(connection, cursor)
            self._measured_s = now_s
            if await connection.fetchval(QUERIES["generation"], self._consumer.name) != self._generation:
                raise _CursorWasSet

    def _behind_s(self) -> float:
        oldest_at = self._oldest_at
        return max(0.0, (self._clock() - oldest_at).total_seconds()) if oldest_at else 0.0

    async def _cursor(self, connection: Connection) -> Cursor:
        """Where it stands. Retention keeps what a known reader has not read, so a new one is made known."""
        name, starts_at = self._consumer.name, self._consumer.starts_at
        self._generation = await connection.fetchval(QUERIES["generation"], name) or 0
        row = await connection.fetchrow(QUERIES["cursor"], name)
        if row is not None:
            return Cursor(*row)
        begin = START if starts_at is None else await from_moment(connection, starts_at)
        await self._move(connection, begin)
        return begin


async def backlog(node: Node, consumer: str) -> int:
    """How many events of the node a consumer has not handled yet."""
    row = await node.fetchrow(QUERIES["backlog"], consumer)
    assert row is not None
    return row["events"]
