"""Consumers: what reads the log from a kept cursor and has an effect. At least once, in order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from prometheus_client import Counter, Gauge, Histogram

from tiffin.events.event import Event
from tiffin.events.reader import BATCH_MAX, CHANNEL, QUERIES, START, Cursor, oldest_after, read_of_types
from tiffin.events.waiting import Waiting
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import CONNECTION_LOST, STATEMENT_TIMEOUT_S, Connection, Node

STAND_IN_S = 1.0
"""How soon a runner takes over from one that is gone."""
PAUSE_S = 0.05
PAUSE_MAX_S = 5.0
LISTENS_BELOW_S = 0.25
MEASURE_INTERVAL_S = 1.0
"""How often a reader that finds nothing asks whether something is held back."""

_log = structlog.get_logger()
_handled = Counter(
    "tiffin_consumer_events", "Events handled, or passed as of no concern.", ["consumer", "node"]
)
_failures = Counter(
    "tiffin_consumer_failures", "Batches that failed and were tried again.", ["consumer", "node"]
)
_lag = Histogram(
    "tiffin_consumer_lag_seconds", "From a batch's first event to the effect.", ["consumer", "node"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
)  # fmt: skip
_behind = Gauge(
    "tiffin_consumer_behind_seconds", "Age of the oldest event that is not handled yet.", ["consumer", "node"]
)


@dataclass(frozen=True)
class Consumer:
    """A name, under which the cursor is kept, and what to do with events.

    `handle` gets events of one node in order, at least once, and must be idempotent. If it raises, the
    same events come again after a pause.
    """

    name: str
    handle: Callable[[Sequence[Event]], Awaitable[None]]
    gather_s: float = 0.0
    """How long events may gather between two batches. A batch costs much the same whatever its size, so
    this buys CPU with lag."""
    types: frozenset[str] | None = None
    """The events it wants; it is given no others. None: all."""

    @property
    def listens(self) -> bool:
        """Whether commits wake it. Who lets events gather for long looks by itself: every wake-up costs."""
        return self.gather_s < LISTENS_BELOW_S


class ConsumerRunner:
    """Runs one consumer on one node. Of several processes one leads; the others stand by."""

    def __init__(self, consumer: Consumer, node: Node, clock: Clock) -> None:
        self._consumer = consumer
        self._node = node
        self._clock = clock
        self._waiting = Waiting()
        labels = (consumer.name, node.name)
        self._handled, self._failures = _handled.labels(*labels), _failures.labels(*labels)
        self._lag = _lag.labels(*labels)
        self._oldest_at: datetime | None = None
        """Of the events not handled yet, as far as is known."""
        self._measured_s = -MEASURE_INTERVAL_S
        _behind.labels(*labels).set_function(self._behind_s)

    async def run(self) -> None:
        """For ever: lead, read, handle, remember. Ends by cancellation."""
        pause_s = PAUSE_S
        while True:
            connection: Connection | None = None
            try:
                connection = await self._node.connect(STATEMENT_TIMEOUT_S)
                if self._consumer.listens:
                    await connection.add_listener(CHANNEL, self._waiting.notified)
                await connection.execute(QUERIES["forgettable"])
                while not await connection.fetchval(QUERIES["lead"], self._consumer.name):
                    self._oldest_at = None  # whoever leads tells
                    await asyncio.sleep(STAND_IN_S)
                cursor = await self._cursor(connection)
                while True:
                    cursor = await self._advance(connection, cursor)
                    pause_s = PAUSE_S
            except (Unavailable, *CONNECTION_LOST) as error:
                _log.warning("consumer_paused", consumer=self._consumer.name, error=repr(error))
            except Exception:
                _log.exception("consumer_failed", consumer=self._consumer.name, node=self._node.name)
            finally:
                if connection is not None:
                    connection.terminate()
            self._failures.inc()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _advance(self, connection: Connection, cursor: Cursor) -> Cursor:
        """Handle what there is; if there is nothing, wait until something may be."""
        events, seen, oldest_at, end = await read_of_types(connection, cursor, self._consumer.types)
        if oldest_at is None:
            await self._measure(connection, cursor)
            await self._waiting.wait()
            return cursor
        self._waiting.found()
        self._oldest_at = oldest_at
        if events:
            await self._consumer.handle(events)
        await connection.execute(
            QUERIES["move_cursor"], self._consumer.name, str(end.xid), end.position, end.day
        )
        self._lag.observe((self._clock() - oldest_at).total_seconds())
        self._oldest_at = None
        self._handled.inc(seen)
        if seen < BATCH_MAX:
            await asyncio.sleep(self._consumer.gather_s)
        return end

    async def _measure(self, connection: Connection, cursor: Cursor) -> None:
        """See what cannot be read yet: an older transaction, of any database of the server, still runs."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._measured_s >= MEASURE_INTERVAL_S:
            self._oldest_at = await oldest_after(connection, cursor)
            self._measured_s = now_s

    def _behind_s(self) -> float:
        oldest_at = self._oldest_at
        return max(0.0, (self._clock() - oldest_at).total_seconds()) if oldest_at else 0.0

    async def _cursor(self, connection: Connection) -> Cursor:
        row = await connection.fetchrow(QUERIES["cursor"], self._consumer.name)
        if row is None:  # retention keeps what a known reader has not read, so be known from the start
            await connection.execute(QUERIES["move_cursor"], self._consumer.name, str(START.xid), *START[1:])
            return START
        return Cursor(row["xid"], row["position"], row["day"])


async def backlog(node: Node, consumer: str) -> int:
    """How many events of the node a consumer has not handled yet."""
    row = await node.fetchrow(QUERIES["backlog"], consumer)
    assert row is not None
    return row["events"]
