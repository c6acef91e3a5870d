"""The gateway, put together."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import REGISTRY

from tiffin.cli.background import every
from tiffin.cli.clock import utc_now
from tiffin.cli.config import Server
from tiffin.cli.parts.part import Peers
from tiffin.events.live import LiveFeed
from tiffin.gateway.app import Gateway, Limits
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

VERIFICATION_INTERVAL_S = 2.0
"""How often it is asked which keys there are and which tokens have ended: so soon a sign-out is heard of."""
ANSWER_S = 1.0
"""A database that takes longer to say anything counts as not reached."""


@asynccontextmanager
async def open_gateway(router: Router, peers: Peers, server: Server) -> AsyncGenerator[Gateway]:
    """HTTP in front of the services. The router's nodes as the gateway's role enters them: for the live
    streams."""
    feed = LiveFeed(router.nodes)
    services = {
        "Users": peers.users, "Restaurants": peers.restaurants, "Orders": peers.orders,
        "Payments": peers.payments, "Notifications": peers.notifications, "Reverse": peers.reverse,
        "Webhooks": peers.webhooks,
        "Ledger": peers.ledger,
    }  # fmt: skip

    async def needs() -> dict[str, bool]:
        nodes = router.nodes
        answers = await asyncio.gather(*map(_answers, nodes))
        return {**peers.reached(), **{f"node {node.name}": a for node, a in zip(nodes, answers, strict=True)}}

    limits = Limits(visits_per_minute=server.visits_per_minute, trusted_proxies=server.trusted_proxies)
    gateway = Gateway(services, utc_now, feed=feed, needs=needs, registry=REGISTRY, limits=limits)
    work = (
        every(VERIFICATION_INTERVAL_S, "gateway.verification", partial(_refresh, gateway)),
        _keep(feed, router),
    )
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield gateway
    finally:
        for task in tasks:
            task.cancel()
        await feed.close()


async def _keep(feed: LiveFeed, router: Router) -> None:
    """Whoever watches hears of what happens on new nodes, too."""
    while True:
        nodes = router.nodes
        await feed.take(nodes)
        await router.other_nodes(nodes)


async def _answers(node: Node) -> bool:
    try:
        async with asyncio.timeout(ANSWER_S):
            await node.fetchrow("SELECT 1")
    except Exception:
        return False
    return True


async def _refresh(gateway: Gateway) -> bool:
    await gateway.callers.tokens.refresh()
    return False
