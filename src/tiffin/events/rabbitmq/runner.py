"""The transport `rabbitmq`: a consumer that listens to its queue, and reads the log where that is not enough.

The cursor in the log stays the truth of how far a consumer has come; the queue only saves reading. A seat,
one a node, always begins with the log:

1. It reads up to the log's end, as without a broker. What comes out of the queue meanwhile it does not want.
2. With the queue bound it keeps what comes, and reads to the end once more: what is not read now becomes
   readable later, is published later, and so comes through the queue.
3. It goes on with what it has kept, dropping what the log has given already, by place.

A queue that was cut, a broker that went away, a message that is missing (`previous` tells): back to the log.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from prometheus_client import Counter

from tiffin.events.consumer import Consumer
from tiffin.events.delivery import Delivery
from tiffin.events.event import Event
from tiffin.events.rabbitmq.inflow import PREFETCH, PREFETCH_BATCHES, Inflow
from tiffin.events.rabbitmq.messages import Arrival, place_of
from tiffin.events.reader import Batch, Cursor, after, read_of_types
from tiffin.events.runner import ConsumerRunner
from tiffin.primitives.clock import Clock
from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

IDLE_S = 1.0
"""A seat that has got nothing for so long looks into the log: whether something is missing, and how far the
events have come that it does not want."""
STUCK_S = 5.0
"""A batch that takes so long must not hold back the messages of other nodes."""

_QUERIES = load_queries("tiffin.events.rabbitmq")
_log = structlog.get_logger()
_losses = Counter(
    "tiffin_consumer_queue_losses",
    "Times the queue had lost something that the log had.",
    ["consumer", "node"],
)


class _Kept(NamedTuple):
    tag: int
    arrival: Arrival


class _Taken(NamedTuple):
    """A batch out of what was kept."""

    tags: list[int]
    events: list[Event]
    seen: int
    """How many were new, unwanted ones included."""
    last: dict[str, Cursor]
    end: Cursor


class Seat(ConsumerRunner):
    """One consumer on one node: a reader of the log that listens as well."""

    def __init__(self, consumer: Consumer, node: Node, clock: Clock, inflow: Inflow, kept_max: int) -> None:
        super().__init__(consumer, node, clock)
        self._delivery = Delivery(consumer, node, clock, "rabbitmq")
        self.leads, self.has_left = asyncio.Event(), asyncio.Event()
        self.caught_up = True
        self._labels = (consumer.name, node.name)
        self._inflow = inflow
        self._kept_max = kept_max
        self._kept: deque[_Kept] = deque()
        self._came = asyncio.Event()
        self._binding: object | None = None
        """What it keeps messages of; None: it does not."""
        self.listening = False
        """It goes by what it keeps."""
        self._floor = Cursor(0, 0, 1)
        """Where the log was left."""
        self._last: dict[str, Cursor] = {}
        """Of each chain, what came last after that."""
        self._busy_since_s: float | None = None
        inflow.seats[node.name] = self

    def offer(self, tag: int, arrival: Arrival) -> bool:
        if self._binding is None:
            return False
        since_s, now_s = self._busy_since_s, asyncio.get_running_loop().time()
        if len(self._kept) >= self._kept_max and since_s is not None and now_s - since_s > STUCK_S:
            self.leave()
            return False
        self._kept.append(_Kept(tag, arrival))
        self._came.set()
        return True

    def leave(self) -> None:
        self._inflow.done(self._binding, [kept.tag for kept in self._kept])
        self._kept.clear()
        self._came.set()
        self._binding, self.listening = None, False
        self.caught_up = not self.leads.is_set()

    async def _lead(self) -> Connection:
        self.leads.clear()
        self.has_left.set()
        self.leave()
        return await super()._lead()

    async def _cursor(self, connection: Connection) -> Cursor:
        cursor = await super()._cursor(connection)
        self.leads.set()
        self.has_left.clear()
        self.leave()
        return cursor

    async def _advance(self, connection: Connection, cursor: Cursor) -> Cursor:
        self._busy_since_s = asyncio.get_running_loop().time()
        try:
            if not self.listening:
                return await self._read(connection, cursor)
            if not self._kept:
                self._busy_since_s = None
                if not await self._wait():
                    return await self._read(connection, cursor)
                if not self._kept:
                    return cursor
            return await self._take(connection, cursor)
        finally:
            self._busy_since_s = None

    async def _wait(self) -> bool:
        """Whether something came before it was too long, or the queue has gone."""
        self._came.clear()
        try:
            async with asyncio.timeout(IDLE_S):
                await self._came.wait()
        except TimeoutError:
            return False
        return True

    async def _read(self, connection: Connection, cursor: Cursor) -> Cursor:
        """Go on by the log; begin to listen if its end is reached and the queue is there."""
        if self.caught_up and self._binding is None:
            self._binding = self._inflow.binding
        binding = self._binding
        if self.listening and (before := await self._skipped(connection, cursor)) is not None:
            return await self._go_back(connection, cursor, before)
        batch = await read_of_types(connection, cursor, self._consumer.types, self._consumer.batch_max)
        if batch.oldest_at is not None:
            self._waiting.found()
            self._oldest_at = batch.oldest_at
            await self._to_its_end(connection, batch)
            self._oldest_at = None
            cursor = batch.end
        self.caught_up = batch.seen < self._consumer.batch_max
        if self.caught_up and binding is not None and binding is self._binding:
            self._floor = cursor
            self._last.clear()
            self.listening = True
            return cursor
        self.listening = False  # the log is further: what is kept is dropped by place when its end is reached
        if batch.oldest_at is None:
            await self._measure(connection, cursor)
            await self._waiting.wait()
        elif self.caught_up:
            await asyncio.sleep(self._consumer.gather_s)
        return cursor

    async def _take(self, connection: Connection, cursor: Cursor) -> Cursor:
        """Handle what is kept, as far as nothing may be missing."""
        binding, taken = self._binding, self._sift(cursor)
        if not taken.tags:
            return await self._search(connection, cursor)
        if taken.end > cursor or taken.events:
            self._oldest_at = taken.events[0].at if taken.events else None
            batch = Batch(taken.events, taken.seen, self._oldest_at, taken.end)
            await self._to_its_end(connection, batch)
            self._oldest_at = None
        self._last = taken.last
        self._inflow.done(binding, taken.tags)
        if not self._kept:
            await asyncio.sleep(self._consumer.gather_s)
        return taken.end

    def _sift(self, cursor: Cursor) -> _Taken:
        """Take of what is kept a batch of what is new, up to what comes after something that has not come."""
        wanted, last = self._consumer.types, dict(self._last)
        tags: list[int] = []
        events: list[Event] = []
        seen, end = 0, cursor
        while self._kept and len(events) < self._consumer.batch_max:
            tag, arrival = self._kept[0]
            done = last.get(arrival.chain, self._floor)
            if arrival.previous > done[:2]:
                break
            self._kept.popleft()
            tags.append(tag)
            new = [event for event in arrival.events if place_of(event) > done[:2]]
            events += [event for event in new if wanted is None or event.type in wanted]
            seen += len(new)
            last[arrival.chain] = max(done, after(arrival.events[-1]))
            end = max(end, last[arrival.chain])
        return _Taken(tags, events, seen, last, end)

    async def _search(self, connection: Connection, cursor: Cursor) -> Cursor:
        """What has come last says that something may be missing. If the log has it, go back to before it."""
        arrival = self._kept[0].arrival
        done, previous = self._last.get(arrival.chain, self._floor), arrival.previous
        types = frozenset((arrival.chain,)) if arrival.chain else self._consumer.types
        before = await self._missing(connection, done, Cursor(*previous, arrival.events[0].day), types)
        if before is None:
            self._last[arrival.chain] = Cursor(*previous, arrival.events[0].day)
            return cursor
        return await self._go_back(connection, cursor, before)

    async def _skipped(self, connection: Connection, cursor: Cursor) -> Cursor | None:
        """Before what the log has up to here and the queue has not brought, if there is anything.

        Where each type has a chain of its own, an event of another type has come nevertheless.
        """
        if self._consumer.batches or cursor == self._floor:
            return None
        return await self._missing(connection, self._floor, cursor, self._consumer.types)

    async def _missing(
        self, connection: Connection, after_: Cursor, up_to: Cursor, types: frozenset[str] | None
    ) -> Cursor | None:
        """Before the first event between these places that has not come, if there is one."""
        last = self._last
        missing = await connection.fetchrow(
            _QUERIES["missing"], str(after_.xid), after_.position, str(up_to.xid), up_to.position, after_.day,
            types and list(types),
            list(last), [str(each.xid) for each in last.values()], [each.position for each in last.values()],
        )  # fmt: skip
        return Cursor(missing["xid"], missing["position"] - 1, missing["day"]) if missing else None

    async def _go_back(self, connection: Connection, cursor: Cursor, before: Cursor) -> Cursor:
        """Read the log from there: the queue has lost something."""
        _losses.labels(*self._labels).inc()
        _log.warning("consumer_missed", consumer=self._labels[0], node=self._labels[1])
        self.leave()
        self.caught_up = True  # or nearly so: the next read already listens
        if before < cursor:
            await self._move(connection, before)
        return min(before, cursor)


class BrokerRunner:
    """Runs one consumer on all nodes, by its queue. Of several processes that one leads which leads the first
    node."""

    def __init__(self, consumer: Consumer, nodes: Sequence[Node], url: str, clock: Clock) -> None:
        self._inflow = Inflow(consumer, url)
        kept_max = max(1, (PREFETCH_BATCHES if consumer.batches else PREFETCH) // len(nodes))
        self._first, *self._others = [Seat(consumer, node, clock, self._inflow, kept_max) for node in nodes]

    @property
    def listening(self) -> bool:
        """Whether every node's events come out of the queue now, and none out of the log."""
        return all(seat.listening for seat in (self._first, *self._others))

    async def run(self) -> None:
        """For ever. Ends by cancellation; batches being delivered may end, as in `ConsumerRunner`."""
        first = asyncio.create_task(self._first.run())
        try:
            while True:
                await self._first.leads.wait()
                work = [asyncio.create_task(task.run()) for task in (*self._others, self._inflow)]
                try:
                    await self._first.has_left.wait()
                finally:
                    await _end(work)
        finally:
            await _end([first])


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
