"""The service `orders`, put together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from tiffin.cli.background import Work, every, on_each_node
from tiffin.cli.clock import utc_now
from tiffin.cli.parts.part import COPY_GATHERS_S, Ground, Part, Peers, consume
from tiffin.events.consumer import Consumer
from tiffin.services.orders.archiver import Archiver
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.patrol import patrol
from tiffin.services.orders.service import OrdersService
from tiffin.services.orders.store import OrderStore
from tiffin.services.orders.sweeper import CLAIM_MAX, sweep
from tiffin.services.orders.unsettled import ask_peers
from tiffin.sharding.sequence import Sequence as OrderNumbers
from tiffin.storage.node import Node

SWEEP_INTERVAL_S = 0.5
ARCHIVE_INTERVAL_S = 3600.0
PATROL_INTERVAL_S = 60.0
"""Between two walks of the reconciler through all orders."""


@asynccontextmanager
async def open_orders(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """Orders, their copy for restaurants, their deadlines, their archive. Asks restaurants and users; of old
    orders reverse and payments."""
    policy = ground.config.policy
    service = OrdersService(
        OrderStore(ground.router), OrderNumbers(ground.router.directory), peers.restaurants, peers.users,
        utc_now, policy,
    )  # fmt: skip

    async def act_on_deadlines(node: Node) -> bool:
        return await sweep(node, utc_now, policy) == CLAIM_MAX

    async def reconcile() -> bool:
        return await patrol(ground.router, utc_now, ground.config.reconciler.orders_per_s)

    async def archive(node: Node) -> bool:
        settings = ground.config.archive
        unsettled = ask_peers(peers.reverse, peers.payments, utc_now)
        archiver = Archiver(ground.router, utc_now, unsettled, settings.age, settings.orders_per_s)
        await archiver.lead(node)
        return False

    def work() -> list[Work]:
        copy = RestaurantCopy(ground.router)
        return [
            *consume(Consumer(copy.name, copy.handle, COPY_GATHERS_S, together=True), ground),
            on_each_node(
                ground.router,
                lambda node: every(SWEEP_INTERVAL_S, "orders.deadlines", partial(act_on_deadlines, node)),
            ),
            every(PATROL_INTERVAL_S, "orders.reconciler", reconcile),
            on_each_node(
                ground.router,
                lambda node: every(ARCHIVE_INTERVAL_S, "orders.archiver", partial(archive, node)),
            ),
        ]

    try:
        yield Part(service, work)
    finally:
        await service.close()
