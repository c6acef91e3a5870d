"""What comes to a consumer out of its queue, and when there is to be a queue at all."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog
from pamqp import commands
from prometheus_client import Counter, Gauge

from tiffin.events.consumer import Consumer
from tiffin.events.rabbitmq import messages, names, wire
from tiffin.events.rabbitmq.connection import NO_ANSWER, Connection, Content, Lost
from tiffin.events.rabbitmq.messages import Arrival
from tiffin.primitives.errors import Unavailable

PREFETCH = 1000
PREFETCH_BATCHES = 40
LOOK_INTERVAL_S = 1.0
"""How often the queue's depth is looked at, and its bindings are made sure of."""
SOON_S = 1.0
"""Who has caught up within this time of starting needs no cutting."""
PAUSE_S = 0.1
PAUSE_MAX_S = 5.0
SETTLE_S = 0.02
_REMEDIED_BY_REMOVAL = (406, NO_ANSWER)
"""The queue was declared with other figures, or does not answer: a quorum queue that was made a moment before
its broker was killed may be there and have no leader, for ever. What is in it is in the log as well."""

_log = structlog.get_logger()
_cuts = Counter(
    "tiffin_consumer_cuts", "Times a consumer's queue was cut: it was over its budget.", ["consumer"]
)
_depth = Gauge("tiffin_consumer_queue_depth", "Events that wait in the queue, about.", ["consumer"])


class Seat(Protocol):
    """Who takes the events of one node."""

    @property
    def caught_up(self) -> bool:
        """Whether it has come to the log's end, or cannot read it."""
        ...

    def offer(self, tag: int, arrival: Arrival) -> bool:
        """False: it does not want it, for it reads the log."""
        ...

    def leave(self) -> None:
        """What it has taken and not handled it is to forget: the queue has gone."""
        ...


class Inflow:
    """One consumer's queue, for the seats of all nodes."""

    def __init__(self, consumer: Consumer, url: str) -> None:
        self.seats: dict[str, Seat] = {}
        self.binding: object | None = None
        """Another one whenever the queue begins to get events; None while it does not, or nobody listens."""
        self.depth = 0
        """Events that wait in the queue, as far as is known."""
        self._consumer = consumer
        self._url = url
        self._connection: Connection | None = None
        self._arrived_messages = self._arrived_events = 0

    async def run(self) -> None:
        """For ever: bind, listen, cut if need be. Ends by cancellation."""
        pause_s = PAUSE_S
        while True:
            try:
                await self._listen()
                pause_s = PAUSE_S
                continue
            except Unavailable as error:
                pause_s = PAUSE_S if self.binding is not None else pause_s
                _log.warning("broker_lost", consumer=self._consumer.name, error=error.message)
            except Exception:
                _log.exception("inflow_failed", consumer=self._consumer.name)
            finally:
                await self._end()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    def done(self, binding: object, tags: Sequence[int]) -> None:
        """These need not come again. What another connection has brought comes again anyway."""
        if binding is self.binding and self._connection is not None and not self._connection.lost.done():
            self._connection.write(wire.acknowledge(tags))

    async def _listen(self) -> None:
        """From a connection to a cut. `Lost` if the connection ends before."""
        self._connection = connection = await Connection.open(self._url)
        await names.declare_exchanges(connection)
        if not await self._caught_up(connection, SOON_S):
            await names.cut_queue(connection, self._consumer)
            await self._caught_up(connection, None)
        try:
            await self._subscribe(connection)
        except Lost as error:
            if error.reply_code in _REMEDIED_BY_REMOVAL:
                await self._remove()
            raise
        self.binding = object()
        _log.info("consumer_listens", consumer=self._consumer.name)
        while await self._within_budget(connection):
            await names.declare_queue(connection, self._consumer)
            await asyncio.wait([connection.lost], timeout=LOOK_INTERVAL_S)
        _cuts.labels(self._consumer.name).inc()
        _log.warning("consumer_cut", consumer=self._consumer.name, depth=self.depth)
        await names.cut_queue(connection, self._consumer)

    async def _subscribe(self, connection: Connection) -> None:
        """What has waited in the queue is in the log, which every seat reads to its end from here on."""
        await names.declare_queue(connection, self._consumer)
        await names.empty_queue(connection, self._consumer)
        prefetch = PREFETCH_BATCHES if self._consumer.batches else PREFETCH
        await connection.ask(commands.Basic.Qos(prefetch_count=prefetch), commands.Basic.QosOk)
        connection.on_delivery = self._delivered
        queue = names.queue_of(self._consumer.name)
        await connection.ask(commands.Basic.Consume(queue=queue), commands.Basic.ConsumeOk)

    async def _within_budget(self, connection: Connection) -> bool:
        waiting = await names.depth_of(connection, self._consumer.name)
        each = self._arrived_events / self._arrived_messages if self._arrived_messages else 1.0
        self.depth = round(waiting * each)
        _depth.labels(self._consumer.name).set(self.depth)
        return self.depth <= self._consumer.depth_max

    async def _caught_up(self, connection: Connection, within_s: float | None) -> bool:
        """Wait until every seat has come to the end of the log. False: not in that time."""
        try:
            async with asyncio.timeout(within_s):
                while not all(seat.caught_up for seat in self.seats.values()):
                    if connection.lost.done():
                        raise Lost(connection.lost.result().message)
                    await asyncio.sleep(SETTLE_S)
        except TimeoutError:
            return False
        return True

    async def _remove(self) -> None:
        connection = await Connection.open(self._url)
        try:
            await names.delete_queue(connection, self._consumer)
        finally:
            await connection.close()

    async def _end(self) -> None:
        self.binding = None
        self.depth = 0
        for seat in self.seats.values():
            seat.leave()
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def _delivered(self, content: Content) -> None:
        """Must not raise."""
        assert self._connection is not None
        tag = wire.delivery_tag(content.method)
        try:
            arrival = messages.arrival(content)
        except ValueError as error:
            _log.error("message_rejected", consumer=self._consumer.name, error=str(error))
            self._connection.write(wire.reject(tag))
            return
        self._arrived_messages += 1
        self._arrived_events += len(arrival.events)
        seat = self.seats.get(arrival.node)
        if seat is None or not seat.offer(tag, arrival):
            self._connection.write(wire.acknowledge([tag]))
