"""The composition root of one process: every part, with one another as peers."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.keeping import keep_log
from tiffin.cli.nodes import enter_nodes, open_nodes
from tiffin.cli.parts import PARTS, Ground, Peers, open_gateway
from tiffin.cli.parts.part import at_work, watching
from tiffin.cli.sandbox import sandbox
from tiffin.cli.secret import read_secret
from tiffin.gateway.app import Gateway
from tiffin.services.notifications.consumers import NotificationsConsumer
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.restaurants.consumers import StockConsumer
from tiffin.services.reverse.consumers import ReverseConsumer
from tiffin.services.webhooks.consumers import WebhooksConsumer

CONSUMER_NAMES = (
    RestaurantCopy.name, StockConsumer.name, PaymentsConsumer.name, NotificationsConsumer.name,
    LedgerConsumer.name, ReverseConsumer.name, WebhooksConsumer.name,
)  # fmt: skip


@dataclass(frozen=True)
class Platform:
    """A running platform, without its socket."""

    gateway: Gateway
    node_count: int
    postmaster: int | None
    """Of the embedded PostgreSQL, if it is used."""


@asynccontextmanager
async def open_platform(config: Config, port: int) -> AsyncGenerator[Platform]:
    """Everything of the platform but its socket, which will be at `port`. Ends in the reverse order."""
    async with AsyncExitStack() as stack:
        owned = await stack.enter_async_context(open_nodes(config))
        secret = read_secret(config.data_directory)
        urls = {node.name: node.url for node in owned.all}
        provider_url = await stack.enter_async_context(sandbox(config, secret, utc_now))
        peers, parts, routers = Peers(), [keep_log(owned.router, config)], [owned.router]
        for name, open_part in PARTS.items():
            router = await stack.enter_async_context(enter_nodes(urls, name, secret))
            routers.append(router)
            ground = Ground(config, router, secret, f"http://127.0.0.1:{port}", provider_url)
            part = await stack.enter_async_context(open_part(ground, peers))
            setattr(peers, name, part.service)
            parts.append(part)
        router = await stack.enter_async_context(enter_nodes(urls, "gateway", secret))
        gateway = await stack.enter_async_context(open_gateway(router, peers, config.server))
        parts.append(watching(*routers, router))
        await stack.enter_async_context(at_work(parts))
        yield Platform(gateway, len(owned.all), owned.postmaster)
