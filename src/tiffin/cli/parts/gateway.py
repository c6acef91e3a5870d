"""The gateway, put together."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import REGISTRY

from tiffin.cli.background import every
from tiffin.cli.clock import utc_now
from tiffin.cli.config import Server
from tiffin.cli.parts.part import Peers
from tiffin.events.live import LiveFeed
from tiffin.gateway.app import Gateway, Limits
from tiffin.storage.node import Node

VERIFICATION_INTERVAL_S = 2.0
"""How often it is asked which keys there are and which tokens have ended: so soon a sign-out is heard of."""


@asynccontextmanager
async def open_gateway(nodes: Sequence[Node], peers: Peers, server: Server) -> AsyncGenerator[Gateway]:
    """HTTP in front of the services. `nodes` as the gateway's role enters them: for the live streams."""
    feed = LiveFeed(nodes)
    services = {
        "Users": peers.users, "Restaurants": peers.restaurants, "Orders": peers.orders,
        "Payments": peers.payments, "Notifications": peers.notifications, "Reverse": peers.reverse,
        "Webhooks": peers.webhooks,
        "Ledger": peers.ledger,
    }  # fmt: skip

    async def is_ready() -> None:
        await asyncio.gather(*(node.fetchrow("SELECT 1") for node in nodes))

    limits = Limits(visits_per_minute=server.visits_per_minute, trusted_proxies=server.trusted_proxies)
    gateway = Gateway(services, utc_now, feed=feed, ready=is_ready, registry=REGISTRY, limits=limits)
    refreshing = asyncio.create_task(
        every(VERIFICATION_INTERVAL_S, "gateway.verification", partial(_refresh, gateway))
    )
    try:
        yield gateway
    finally:
        refreshing.cancel()
        await feed.close()


async def _refresh(gateway: Gateway) -> bool:
    await gateway.callers.tokens.refresh()
    return False
