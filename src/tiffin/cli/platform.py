"""The composition root: everything that runs in one process, put together from a configuration."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp
from prometheus_client import REGISTRY

from tiffin.cli.background import every
from tiffin.cli.config import Config
from tiffin.cli.nodes import open_nodes
from tiffin.cli.sandbox import sandbox
from tiffin.cli.secret import read_secret
from tiffin.events.consumer import Consumer, ConsumerRunner
from tiffin.events.live import LiveFeed
from tiffin.events.retention import keep_days
from tiffin.gateway.app import Gateway
from tiffin.gateway.tokens import Tokens
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.service import OrdersService
from tiffin.services.orders.store import OrderStore
from tiffin.services.orders.sweeper import CLAIM_MAX, sweep
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.service import PaymentsService
from tiffin.services.restaurants.consumers import StockConsumer
from tiffin.services.restaurants.service import CHANGES, RestaurantsService
from tiffin.services.restaurants.stock_store import StockStore
from tiffin.services.users.service import UsersService
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence as OrderNumbers
from tiffin.storage.node import Node
from tiffin.storage.notifications import follow

COPY_GATHERS_S = 0.02
EFFECTS_GATHER_S = 0.1
SWEEP_INTERVAL_S = 0.5
SETTLE_INTERVAL_S = 1.0
SETTLE_MAX = 100
RETENTION_INTERVAL_S = 3600.0
HOLDINGS_KEPT = timedelta(days=7)
"""How long it is known that a fallen order must not hold portions; far longer than a call can be late."""
CONSUMER_NAMES = (RestaurantCopy.name, StockConsumer.name, PaymentsConsumer.name)


def utc_now() -> datetime:
    """The real clock. Everything below `cli` is given it."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Platform:
    """A running platform, without its socket."""

    gateway: Gateway
    router: Router
    consumers: Sequence[Consumer]
    postmaster: int | None
    """Of the embedded PostgreSQL, if it is used."""


@asynccontextmanager
async def open_platform(config: Config, port: int) -> AsyncGenerator[Platform]:
    """Everything of the platform but its socket, which will be at `port`. Ends in the reverse order."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_nodes(config))
        nodes = opened.all
        router = await Router.open(nodes)
        secret = read_secret(config.data_directory)

        users = UsersService(router, utc_now)
        stock = StockStore(router, utc_now)
        stack.push_async_callback(stock.close)
        restaurants = RestaurantsService(router, stock, utc_now)
        orders = OrdersService(
            OrderStore(router), OrderNumbers(router.directory), restaurants, users, utc_now, config.policy
        )
        stack.push_async_callback(orders.close)
        provider_url = await stack.enter_async_context(sandbox(config, secret, utc_now))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        notices = f"http://127.0.0.1:{port}/v1/webhooks/payments"
        provider = SandboxProvider(session, provider_url, notices, secret)
        payments = PaymentsService(router, orders, provider, utc_now, lambda: uuid4().hex)
        stack.push_async_callback(payments.close)

        readers = (
            (RestaurantCopy(router), COPY_GATHERS_S),
            (StockConsumer(stock, orders, utc_now), EFFECTS_GATHER_S),
            (PaymentsConsumer(payments.settlement), EFFECTS_GATHER_S),
        )
        consumers = [Consumer(reader.name, reader.handle, gather_s) for reader, gather_s in readers]
        feed = LiveFeed(nodes)
        stack.push_async_callback(feed.close)
        work = _background(config, nodes, consumers, payments, stock)
        work += [follow(node, CHANGES, restaurants.forget) for node in nodes]
        stack.push_async_callback(_end, [asyncio.create_task(each) for each in work])
        gateway = Gateway(
            {"Users": users, "Restaurants": restaurants, "Orders": orders, "Payments": payments},
            Tokens(secret, utc_now), utc_now, feed=feed, ready=lambda: _is_ready(nodes), registry=REGISTRY,
        )  # fmt: skip
        yield Platform(gateway, router, consumers, opened.postmaster)


def _background(
    config: Config,
    nodes: Sequence[Node],
    consumers: Sequence[Consumer],
    payments: PaymentsService,
    stock: StockStore,
) -> list[Coroutine[Any, Any, None]]:
    """What goes on beside requests, for ever."""

    async def act_on_deadlines(node: Node) -> bool:
        return await sweep(node, utc_now, config.policy) == CLAIM_MAX

    async def settle_payments() -> bool:
        return await payments.settlement.settle_due(SETTLE_MAX) >= SETTLE_MAX

    async def keep_log(node: Node) -> bool:
        await keep_days(node, config.log_retention_days)
        return False

    async def forget_holdings() -> bool:
        await stock.forget_before(utc_now() - HOLDINGS_KEPT)
        return False

    work: list[Coroutine[Any, Any, None]] = [
        every(SETTLE_INTERVAL_S, "payments.settle", settle_payments),
        every(RETENTION_INTERVAL_S, "restaurants.holdings", forget_holdings),
    ]
    for node in nodes:
        work += [ConsumerRunner(consumer, node, utc_now).run() for consumer in consumers]
        work += [
            every(SWEEP_INTERVAL_S, "orders.deadlines", partial(act_on_deadlines, node)),
            every(RETENTION_INTERVAL_S, "log.retention", partial(keep_log, node)),
        ]
    return work


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _is_ready(nodes: Sequence[Node]) -> None:
    for node in nodes:
        await node.fetchrow("SELECT 1")
