"""The service `restaurants`, put together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from tiffin.cli.background import Work, every, on_each_node
from tiffin.cli.clock import utc_now
from tiffin.cli.parts.part import EFFECTS_GATHER_S, Ground, Part, Peers, consume
from tiffin.events.consumer import Consumer
from tiffin.services.restaurants.consumers import StockConsumer
from tiffin.services.restaurants.service import CHANGES, RestaurantsService
from tiffin.services.restaurants.stock_store import StockStore
from tiffin.storage.notifications import follow

FORGET_INTERVAL_S = 3600.0
HOLDINGS_KEPT = timedelta(days=7)
"""How long it is known that a fallen order must not hold portions; far longer than a call can be late."""


@asynccontextmanager
async def open_restaurants(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """Restaurants and their stock, which follows the orders. Cancels orders for which there is none left."""
    stock = StockStore(ground.router, utc_now)
    service = RestaurantsService(ground.router, stock, utc_now)

    async def forget_holdings() -> bool:
        await stock.forget_before(utc_now() - HOLDINGS_KEPT)
        return False

    def work() -> list[Work]:
        reader = StockConsumer(stock, peers.orders, utc_now)
        return [
            *consume(
                Consumer(reader.name, reader.handle, EFFECTS_GATHER_S, reader.types, together=True), ground
            ),
            every(FORGET_INTERVAL_S, "restaurants.holdings", forget_holdings),
            service.directory.run(),
            on_each_node(ground.router, lambda node: follow(node, CHANGES, service.forget)),
        ]

    try:
        yield Part(service, work)
    finally:
        await stock.close()
