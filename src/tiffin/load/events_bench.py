"""What an event costs from the log to its effect, by each transport.

Three stages, each on what the one before has left. Publishing: the relay alone, everything in the log and
none of it sent; an event counts when the broker has confirmed it. Consuming: one consumer, all of it there,
none handled; an event counts when its effect and its mark are committed. Lag: at half of what both
together could do, from the event's moment to its effect. CPU is from /proc: this process (relay, consumer),
PostgreSQL, the broker.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from pamqp import commands

from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.inbox import unmarked
from tiffin.events.progress import has_caught_up
from tiffin.events.rabbitmq import names
from tiffin.events.rabbitmq.connection import Connection, Lost
from tiffin.events.rabbitmq.messages import BATCHES, EVENTS
from tiffin.events.rabbitmq.relay import NAME as RELAY
from tiffin.events.rabbitmq.relay import Relay, forget
from tiffin.events.rabbitmq.runner import BrokerRunner
from tiffin.events.runner import ConsumerRunner
from tiffin.load.cpu import CpuMeter
from tiffin.load.latency import Latencies, Percentiles
from tiffin.primitives.clock import Clock
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

Form = Literal["log", "rabbitmq", "rabbitmq, batches"]
FORMS: tuple[Form, ...] = ("log", "rabbitmq", "rabbitmq, batches")
DATA = '{"order_id":"1074694770","version":1,"type":"order.accepted","from_state":"awaiting_acceptance",' \
    '"to_state":"preparing","actor":{"role":"restaurant","id":"al-dente"},"at":"2026-06-01T12:00:00.000Z",' \
    '"request_id":"request","customer_id":"customer-1","restaurant_id":"al-dente"}'  # fmt: skip
APPEND_CHUNK = 5_000
APPEND_INTERVAL_S = 0.01
GATHER_S = 0.02
"""As the restaurant dimension, the quickest of the platform's consumers."""
LOOK_S = 0.005
PATIENCE_S = 600.0
DEPTH_MAX = 100_000_000
"""Nothing is cut here: it is the queue that is measured."""
_NOT_FOUND = 404

_QUERIES = load_queries("tiffin.load", "events_bench.sql")


@dataclass(frozen=True)
class Stage:
    """So many events a second, and what one cost."""

    per_second: float
    cpu_us: Mapping[str, float]
    """Microseconds of CPU an event, by process."""


@dataclass(frozen=True)
class EventsResult:
    """What one transport reached."""

    form: Form
    publish: Stage | None
    """None: nothing has to be published."""
    consume: Stage
    rate: float
    """Events a second while the lag was measured."""
    lag: Percentiles


class Bench:
    """A log and a virtual host that nobody else uses, and the processes whose CPU counts."""

    def __init__(self, node: Node, url: str, pids: Mapping[str, int], clock: Clock) -> None:
        self._node = node
        self._url = url
        self._pids = pids
        self._clock = clock
        self._open = asyncio.Event()
        self._began_at = clock()
        self._consumer = ""
        self._lags = Latencies()
        self._appended = self._handled = 0

    async def run(self, form: Form, events: int, seconds: float) -> EventsResult:
        """All three stages, with so many events in the first two."""
        await self._node.execute(_QUERIES["make_effects"])
        await forget(self._node)  # it is to publish what is measured, and nothing that is left of before
        self._open.clear()
        self._began_at = self._clock()
        consumer = Consumer(
            f"bench.{uuid4().hex[:8]}", self._handle, gather_s=GATHER_S, starts_at=self._began_at,
            depth_max=DEPTH_MAX,
            batches=form == "rabbitmq, batches",
        )  # fmt: skip
        self._consumer = consumer.name
        self._appended = self._handled = 0
        publish = None
        async with self._consuming(form, consumer):
            await self._append(events)
            if form != "log":
                publish = await self._measure(events, self._publish)
            consume = await self._measure(events, self._consume)
            cost_s = 1 / consume.per_second + (1 / publish.per_second if publish else 0)
            rate = 0.5 / cost_s
            lag = await self._steady(form, rate, seconds)
        if form != "log":
            await self._forget(consumer)
        return EventsResult(form, publish, consume, rate, lag)

    async def _handle(self, events: Sequence[Event]) -> None:
        await self._open.wait()
        async with self._node.transaction() as connection:
            fresh = await unmarked(connection, self._consumer, events)
            keys, versions = [event.key for event in fresh], [event.version for event in fresh]
            await connection.execute(_QUERIES["add_effects"], self._consumer, keys, versions)
        now = self._clock()
        for event in fresh:
            self._lags.add((now - event.at).total_seconds())
        self._handled += len(fresh)

    @asynccontextmanager
    async def _consuming(self, form: Form, consumer: Consumer) -> AsyncGenerator[None]:
        if form == "log":
            async with _running(ConsumerRunner(consumer, self._node, self._clock).run):
                yield
            return
        runner = BrokerRunner(consumer, [self._node], self._url, self._clock)
        async with _running(runner.run):
            while not runner.listening:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(LOOK_S)
            yield

    def _relay(self) -> Relay:
        return Relay(self._node, self._url, self._clock, self._began_at)

    async def _publish(self) -> None:
        async with _running(self._relay().run):
            assert await has_caught_up(self._node, RELAY, PATIENCE_S)

    async def _consume(self) -> None:
        self._open.set()
        await self._until_handled(self._appended)

    async def _until_handled(self, events: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self._handled < events:  # noqa: ASYNC110 - a look costs less than telling
                await asyncio.sleep(LOOK_S)

    async def _measure(self, events: int, stage: Callable[[], Awaitable[None]]) -> Stage:
        loop, meter = asyncio.get_running_loop(), CpuMeter(self._pids)
        began_s = loop.time()
        await stage()
        took_s = loop.time() - began_s
        cpu_us = {name: seconds / events * 1e6 for name, seconds in meter.seconds().items()}
        return Stage(events / took_s, cpu_us)

    async def _append(self, events: int) -> None:
        for first in range(0, events, APPEND_CHUNK):
            await self._append_some(min(APPEND_CHUNK, events - first))

    async def _append_some(self, events: int) -> None:
        prefix, first = f"{self._consumer}-", self._appended
        self._appended += events
        await self._node.execute(_QUERIES["append"], prefix, first, first + events - 1, DATA, self._clock())

    async def _steady(self, form: Form, rate: float, seconds: float) -> Percentiles:
        """Events at a rate, for a time; how long each took to its effect. What is not known to be there when
        the loop is late is made up for."""
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            if form != "log":
                await stack.enter_async_context(_running(self._relay().run))
            self._lags = Latencies()
            began, began_s = self._appended, loop.time()
            while (now_s := loop.time() - began_s) < seconds:
                if due := began + int(rate * now_s) - self._appended:
                    await self._append_some(due)
                await asyncio.sleep(APPEND_INTERVAL_S)
            await self._until_handled(self._appended)
        return self._lags.percentiles()

    async def _forget(self, consumer: Consumer) -> None:
        connection = await Connection.open(self._url)
        await names.delete_queue(connection, consumer)
        await connection.close()


@asynccontextmanager
async def _running(work: Callable[[], Coroutine[None, None, None]]) -> AsyncGenerator[None]:
    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def is_used(url: str) -> bool:
    """Whether somebody's events go through this virtual host. `Unavailable` if nobody can say."""
    connection = await Connection.open(url)
    try:
        declare = commands.Exchange.Declare(exchange=EVENTS, passive=True)
        await connection.ask(declare, commands.Exchange.DeclareOk)
    except Lost as error:
        if error.reply_code == _NOT_FOUND:
            return False
        raise
    finally:
        await connection.close()
    return True


async def clean(url: str) -> None:
    """Leave the virtual host as it was."""
    connection = await Connection.open(url)
    for exchange in (EVENTS, BATCHES, names.DEAD):
        await connection.ask(commands.Exchange.Delete(exchange=exchange), commands.Exchange.DeleteOk)
    await connection.ask(commands.Queue.Delete(queue=names.DEAD), commands.Queue.DeleteOk)
    await connection.close()
