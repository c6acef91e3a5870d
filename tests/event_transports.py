"""What carries events from a node's log to a consumer, as the tests of every transport see it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from event_effects import Id, append_ids, eventually
from tiffin.events.consumer import Consumer
from tiffin.events.runner import ConsumerRunner, backlog
from tiffin.primitives.clock import Clock
from tiffin.storage.node import Node

PIECE = 5_000
"""Events under way at a time: fewer than any transport has room for."""


class Running(Protocol):
    """A consumer at work."""

    async def stop(self) -> None:
        """As a process stops that is asked to: what it is at is finished."""

    async def kill(self) -> None:
        """As a process ends that is not: nothing is finished, nothing is said."""


class Transport(Protocol):
    """Carries the log of one node."""

    name: str
    node: Node

    def consuming(self, consumer: Consumer) -> AbstractAsyncContextManager[Running]:
        """One process with this consumer; it is killed in the end, if it still runs."""
        ...

    async def is_drained(self, consumer: Consumer) -> bool:
        """Whether everything that the log holds has been acknowledged by the consumer."""
        ...

    async def is_carrying(self, consumer: Consumer) -> bool:
        """Whether what happens from now on reaches the consumer by this transport, catching up is over."""
        ...


async def carry(transport: Transport, consumer: Consumer, ids: Sequence[Id], patience_s: float) -> None:
    """Have all these happen, and wait until the consumer at work has had them, by the transport."""
    await eventually(lambda: transport.is_carrying(consumer), patience_s)
    for start in range(0, len(ids), PIECE):
        await append_ids(transport.node, ids[start : start + PIECE])
        await eventually(lambda: transport.is_drained(consumer), patience_s)


class _RunningTask:
    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def kill(self) -> None:
        await kill(self._task)


async def kill(task: "asyncio.Task[None]") -> None:
    """End a runner wherever it is, without letting it finish its batch."""
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)


class LogTransport:
    """The consumer reads the log itself."""

    name = "log"

    def __init__(self, node: Node, clock: Clock) -> None:
        self.node = node
        self._clock = clock

    @asynccontextmanager
    async def consuming(self, consumer: Consumer) -> AsyncGenerator[Running]:
        running = _RunningTask(asyncio.create_task(ConsumerRunner(consumer, self.node, self._clock).run()))
        try:
            yield running
        finally:
            await running.kill()

    async def is_drained(self, consumer: Consumer) -> bool:
        return await backlog(self.node, consumer.name) == 0

    async def is_carrying(self, consumer: Consumer) -> bool:
        return True
