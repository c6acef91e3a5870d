"""What every composition function is given, and what it gives."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from tiffin.cli.background import Work, on_all_nodes, on_each_node
from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.events.consumer import Consumer
from tiffin.events.gathering import gathering_s
from tiffin.events.rabbitmq.runner import BrokerRunner
from tiffin.events.runner import ConsumerRunner
from tiffin.events.together import Together
from tiffin.rpc import contracts as c
from tiffin.sharding.router import Router
from tiffin.sharding.watching import watch
from tiffin.storage.node import Node

COPY_GATHERS_S = 0.02
EFFECTS_GATHER_S = 0.1


@dataclass(frozen=True)
class Ground:
    """What a service stands on."""

    config: Config
    router: Router
    """Its nodes are entered as the service's own role."""
    secret: bytes
    gateway_url: str
    """Where the platform's HTTP API is."""
    provider_url: str
    """Where the payment provider is."""


class Peers:
    """Every service by its contract: the object itself in one process, a client of it in many.

    In one process they come one after the other, as they open; all are there before any work begins.
    """

    users: c.Users
    restaurants: c.Restaurants
    orders: c.Orders
    payments: c.Payments
    notifications: c.Notifications
    ledger: c.Ledger
    reverse: c.Reverse
    webhooks: c.Webhooks

    def reached(self) -> Mapping[str, bool]:
        """Those in other processes that were asked for: whether they are thought to serve."""
        return {}


@dataclass(frozen=True)
class Part:
    """An open service: what answers its calls, and what goes on beside them."""

    service: object
    work: Callable[[], Sequence[Work]] = tuple
    """Makes the background's coroutines; asked once all peers are there."""


Open = Callable[[Ground, Peers], AbstractAsyncContextManager[Part]]


def consume(consumer: Consumer, ground: Ground) -> list[Work]:
    """The work of a consumer: a runner on every node, or one for its queue. Ours take what there is, in
    batches."""
    if ground.config.events.transport == "rabbitmq":
        consumer = replace(consumer, batches=True)
        return [
            on_all_nodes(
                ground.router,
                lambda nodes: BrokerRunner(consumer, nodes, ground.config.events.url, utc_now).run(),
            )
        ]

    if consumer.together:
        consumer = replace(
            consumer,
            handle=Together(consumer.handle, consumer.gather_s, lambda: len(ground.router.nodes)).handle,
        )

    def read(node: Node) -> Work:
        gathering = replace(consumer, gather_s=gathering_s(consumer.gather_s, len(ground.router.nodes)))
        return ConsumerRunner(gathering, node, utc_now).run()

    return [on_each_node(ground.router, read)]


def watching(*routers: Router) -> Part:
    """Keeps the routers of a process up to date, by the directory as the first of them enters it."""
    return Part(None, lambda: [watch(routers[0].directory, routers)])


@asynccontextmanager
async def at_work(parts: Sequence[Part]) -> AsyncGenerator[None]:
    """The background of these parts goes on while this is entered."""
    tasks = [asyncio.create_task(work) for part in parts for work in part.work()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
