"""The gateway, put together."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY

from tiffin.cli.clock import utc_now
from tiffin.cli.parts.part import Peers
from tiffin.events.live import LiveFeed
from tiffin.gateway.app import Gateway
from tiffin.gateway.tokens import Tokens
from tiffin.storage.node import Node


@asynccontextmanager
async def open_gateway(nodes: Sequence[Node], peers: Peers, secret: bytes) -> AsyncGenerator[Gateway]:
    """HTTP in front of the services. `nodes` as the gateway's role enters them: for the live streams."""
    feed = LiveFeed(nodes)
    services = {
        "Users": peers.users, "Restaurants": peers.restaurants, "Orders": peers.orders,
        "Payments": peers.payments,
    }  # fmt: skip

    async def is_ready() -> None:
        await asyncio.gather(*(node.fetchrow("SELECT 1") for node in nodes))

    try:
        yield Gateway(
            services, Tokens(secret, utc_now), utc_now, feed=feed, ready=is_ready, registry=REGISTRY
        )
    finally:
        await feed.close()
