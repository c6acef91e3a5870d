"""The transport `rabbitmq` as the conformance tests see it, and what can be done to a broker."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pamqp import commands

from tiffin.events.consumer import Consumer
from tiffin.events.rabbitmq import inflow, names, relay, runner
from tiffin.events.rabbitmq.connection import Connection
from tiffin.events.rabbitmq.relay import Relay
from tiffin.events.rabbitmq.runner import BrokerRunner
from tiffin.events.runner import backlog
from tiffin.primitives.clock import Clock
from tiffin.storage.node import Node


class Process:
    """A runner or a relay at work."""

    def __init__(self, runner: BrokerRunner | Relay) -> None:
        self.runner = runner
        self._task = asyncio.create_task(runner.run())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def kill(self) -> None:
        while not self._task.done():
            self._task.cancel()
            await asyncio.sleep(0)


class RabbitMqTransport:
    """A relay, and consumers that have queues: one event a message, or several."""

    def __init__(self, name: str, node: Node, clock: Clock, url: str) -> None:
        self.name = name
        self.node = node
        self.url = url
        self._clock = clock
        self._consumers: dict[str, Consumer] = {}
        self._runners: dict[str, BrokerRunner] = {}

    @asynccontextmanager
    async def relaying(self, url: str | None = None) -> AsyncGenerator[Process]:
        """One process with the node's relay, from here on; perhaps by another way to the broker."""
        process = Process(Relay(self.node, url or self.url, self._clock))
        try:
            yield process
        finally:
            await process.kill()

    @asynccontextmanager
    async def consuming(self, consumer: Consumer) -> AsyncGenerator[Process]:
        """One process with this consumer."""
        consumer = self.carried(consumer)
        self._consumers[consumer.name] = consumer
        runner = BrokerRunner(consumer, [self.node], self.url, self._clock)
        self._runners[consumer.name] = runner
        running = Process(runner)
        try:
            yield running
        finally:
            await running.kill()

    def carried(self, consumer: Consumer) -> Consumer:
        """The consumer, asking for what this transport is to carry."""
        return replace(consumer, batches=consumer.batches or self.name == "rabbitmq-batches")

    async def is_drained(self, consumer: Consumer) -> bool:
        return await backlog(self.node, consumer.name) == 0

    async def is_carrying(self, consumer: Consumer) -> bool:
        return self._runners[consumer.name].listening

    async def forget(self, url: str) -> None:
        """Take the consumers' queues away, so that no later test finds its events taken by them."""
        async with asking(url) as connection:
            for consumer in self._consumers.values():
                for queue in (names.queue_of(consumer.name), names.sink_of(consumer.name)):
                    await connection.ask(commands.Queue.Delete(queue=queue), commands.Queue.DeleteOk)


@asynccontextmanager
async def asking(url: str) -> AsyncGenerator[Connection]:
    """A connection for a few questions."""
    connection = await Connection.open(url)
    try:
        yield connection
    finally:
        await connection.close()


async def make_queue(
    connection: Connection, queue: str, bindings: Sequence[tuple[str, str]], length_max: int = 1_000_000
) -> None:
    """A queue that somebody else has, bound to exchanges with keys. Of what comes it keeps the newest."""
    await names.declare_exchanges(connection)
    declare = commands.Queue.Declare(queue=queue, durable=True, arguments={"x-max-length": length_max})
    await connection.ask(declare, commands.Queue.DeclareOk)
    for exchange, key in bindings:
        bind = commands.Queue.Bind(queue=queue, exchange=exchange, routing_key=key)
        await connection.ask(bind, commands.Queue.BindOk)


async def unbind(connection: Connection, queue: str, exchange: str, key: str) -> None:
    """Take a binding away, as an operator might by mistake."""
    method = commands.Queue.Unbind(queue=queue, exchange=exchange, routing_key=key)
    await connection.ask(method, commands.Queue.UnbindOk)


async def depth(connection: Connection, queue: str) -> int:
    """Messages that wait in a queue."""
    declare = commands.Queue.Declare(queue=queue, passive=True)
    return (await connection.ask(declare, commands.Queue.DeclareOk)).message_count or 0


async def drop_queue(connection: Connection, queue: str) -> None:
    """As if it had never been."""
    await connection.ask(commands.Queue.Delete(queue=queue), commands.Queue.DeleteOk)


def be_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for better times looks again soon."""
    monkeypatch.setattr(runner, "IDLE_S", 0.1)
    monkeypatch.setattr(inflow, "LOOK_INTERVAL_S", 0.1)
    monkeypatch.setattr(inflow, "PAUSE_S", 0.01)
    monkeypatch.setattr(inflow, "PAUSE_MAX_S", 0.2)
    monkeypatch.setattr(relay, "GATHER_S", 0.0)
