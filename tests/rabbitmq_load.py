"""Orders that go on happening while something is done to what carries their events."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from uuid import uuid4

from event_effects import Effects, Id, append_ids, consumer_of, doubled, eventually
from rabbitmq_transport import Process, RabbitMqTransport
from tiffin.events.consumer import Consumer
from tiffin.events.rabbitmq.relay import NAME as RELAY
from tiffin.events.rabbitmq.runner import BrokerRunner
from tiffin.events.runner import backlog
from tiffin.storage.node import Node

PATIENCE_S = 120.0
PAUSE_S = 0.01
PIECE = 5
ORDERS = 50


@asynccontextmanager
async def happening(node: Node, rate: float = 250.0) -> AsyncGenerator[list[Id]]:
    """Events go on happening, about so many a second. Which, is known when this is left."""
    ids: list[Id] = []
    enough = False

    async def go_on() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while not enough:
            due = range(len(ids), max(len(ids) + 1, int(rate * (loop.time() - began_s))))
            new = [(str(number % ORDERS), number // ORDERS) for number in due]
            await append_ids(node, new)
            ids.extend(new)
            await asyncio.sleep(PIECE / rate)

    task = asyncio.create_task(go_on())
    try:
        yield ids
    finally:
        enough = True  # not cancelled: it would not know whether the last ones have happened
        await task


class Listener:
    """A consumer with a queue, and its effects."""

    def __init__(self, effects: Effects, consumer: Consumer, process: Process) -> None:
        self.effects = effects
        self.consumer = consumer
        self.process = process

    async def listens(self) -> bool:
        """Whether it goes by its queue."""
        assert isinstance(self.process.runner, BrokerRunner)
        return self.process.runner.listening


class Town:
    """A log, a relay, and two listeners: of events one by one, and of batches."""

    def __init__(self, transport: RabbitMqTransport) -> None:
        self.transport = transport
        self.ids: list[Id] = []
        self.one: Listener
        self.many: Listener

    @classmethod
    @asynccontextmanager
    async def open(
        cls, transport: RabbitMqTransport, *, relay_url: str | None = None, marked: bool = True
    ) -> AsyncGenerator["Town"]:
        """Both listen when this is entered. Without marks an event that comes twice has its effect twice."""
        town = cls(transport)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(transport.relaying(relay_url))
            for batches in (False, True):
                name = f"test.{'many' if batches else 'one'}.{uuid4().hex[:6]}"
                effects = Effects(transport.node, name, marked=marked)
                await effects.make()
                consumer = replace(consumer_of(effects, name), batches=batches)
                process = await stack.enter_async_context(transport.consuming(consumer))
                setattr(town, "many" if batches else "one", Listener(effects, consumer, process))
            for listener in town.listeners:
                await eventually(listener.listens, PATIENCE_S)
            yield town

    @property
    def listeners(self) -> tuple[Listener, Listener]:
        return self.one, self.many

    async def happen(self, events: int = 1) -> None:
        """So many events, of orders that have had others before."""
        first = len(self.ids)
        new = [(str(number % 50), number // 50) for number in range(first, first + events)]
        await append_ids(self.transport.node, new)
        self.ids += new

    @asynccontextmanager
    async def busy(self) -> AsyncGenerator[None]:
        """Events go on happening."""
        enough = False

        async def go_on() -> None:
            while not enough:
                await self.happen(PIECE)
                await asyncio.sleep(PAUSE_S)

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            enough = True  # not cancelled: it would not know whether the last ones have happened
            await task

    async def relayed(self) -> bool:
        """Whether all there is has been marked sent."""
        return await backlog(self.transport.node, RELAY) == 0

    async def settled(self) -> None:
        """Wait until all was sent and handled; nothing is lost, doubled, or overtaken within an order."""
        await eventually(self.relayed, PATIENCE_S)
        for listener in self.listeners:
            await eventually(lambda c=listener.consumer: self.transport.is_drained(c), PATIENCE_S)
            found = await listener.effects.ids()
            assert doubled(found) == []
            assert sorted(found) == sorted(self.ids)
            assert sorted(found, key=lambda id_: id_[0]) == sorted(self.ids, key=lambda id_: id_[0])
