"""A platform on one node of its own, with its copies kept up; and old shops beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

import databases
from old_shop import MariadbShop, OldShop, PostgresqlShop, mapping_of
from old_side import Side, now
from tiffin.events.consumer import Consumer
from tiffin.events.runner import ConsumerRunner
from tiffin.migration.record import Record
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.sharding.router import Router
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

Migrate = Callable[[int], Coroutine[Any, Any, Side]]


@pytest.fixture(scope="session")
async def new_place(server: EmbeddedServer) -> AsyncIterator[Node]:
    """Where the orders go."""
    (node,) = await databases.open_platform(server, ["newplace"])
    copy = RestaurantCopy(await Router.open([node]))
    runner = asyncio.create_task(ConsumerRunner(Consumer(copy.name, copy.handle), node, now).run())
    yield node
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)
    await node.close()


@pytest.fixture(params=["postgresql", "mariadb"])
async def shop(request: pytest.FixtureRequest, server: EmbeddedServer) -> AsyncIterator[OldShop]:
    """An old shop without orders."""
    if request.param == "postgresql":
        shop: OldShop = await PostgresqlShop.open(server)
    else:
        shop = MariadbShop(request.getfixturevalue("mariadb"))
    yield shop
    await shop.close()


@pytest.fixture
async def migrate(new_place: Node, shop: OldShop) -> AsyncIterator[Migrate]:
    """Fills the shop with so many orders and plans their migration."""
    sides: list[Side] = []

    async def begin(rows: int) -> Side:
        await shop.fill(rows)
        text = mapping_of(shop)
        name = text.split('"')[1]
        await Record(new_place).plan(name, text, rows)
        sides.append(await Side.open(new_place, name))
        return sides[-1]

    yield begin
    for side in sides:
        await side.close()
