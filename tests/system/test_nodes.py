"""A node comes to a platform of many processes, is given shards, and leaves, while orders keep coming."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from rich.console import Console

import databases
from process_platform import ProcessPlatform
from system.town import Json, Town, eventually, order_for
from tiffin.cli.config import Config, read_config
from tiffin.cli.membership import add, remove
from tiffin.cli.parts import PARTS
from tiffin.cli.shards import Wanted, finish, move
from tiffin.sharding.registry import NodeError
from tiffin.sharding.slots import shard_of
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

OLD, NEW = "growingold", "growingnew"
CUSTOMERS = 3
ORDERS = 20
"""At least so many are placed between one step and the next."""
PACE_S = 0.1
"""Between one answer and a customer's next order: this is about steps, not about speed."""


@dataclass
class Orders:
    """What customers order, one after the other, for as long as they are at it."""

    town: Town
    restaurant: str
    customers: list[str]
    placed: list[Json] = field(default_factory=list)
    asked_again: int = 0
    wrong: list[object] = field(default_factory=list)

    @asynccontextmanager
    async def coming(self) -> AsyncGenerator[None]:
        tasks = [asyncio.create_task(self._order(customer)) for customer in self.customers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def some_more(self) -> None:
        wanted = len(self.placed) + ORDERS

        async def are_there() -> bool:
            return len(self.placed) >= wanted or bool(self.wrong)

        await eventually(are_there, "orders keep coming")

    async def _order(self, customer: str) -> None:
        """Who is told to come again does, under the same key."""
        key = uuid4().hex
        while True:
            answer = await self.town.try_to_place(customer, order_for(self.restaurant), key)
            if answer.status == 201:
                self.placed.append(answer.json)
                key = uuid4().hex
                read = await self.town.ask(("customer", customer), "GET", f"/v1/orders/{answer.json['id']}")
                if read.status not in (200, 503):
                    self.wrong.append(read.said)
            elif answer.status == 503:
                self.asked_again += 1
            else:
                self.wrong.append(answer.said)
            await asyncio.sleep(PACE_S)


@pytest.fixture
async def old(server: EmbeddedServer) -> AsyncIterator[Node]:
    (node,) = await databases.open_platform(server, [OLD])
    yield node
    await node.close()
    await databases.drop_platform(server, [OLD])


@pytest.fixture
async def new_url(server: EmbeddedServer) -> AsyncIterator[str]:
    """An empty database."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    await server.create_database(f"{NEW}_{worker}")
    yield server.url(f"{NEW}_{worker}")
    await databases.drop_platform(server, [NEW])


@pytest.fixture
def platform(old: Node) -> Iterator[ProcessPlatform]:
    with databases.directory() as directory:
        yield ProcessPlatform(directory, nodes=f"{OLD}={old.url}")


@pytest.mark.timeout(900)
async def test_a_node_is_added_filled_drained_and_removed_while_orders_keep_coming(
    platform: ProcessPlatform, new_url: str
) -> None:
    config, console = read_config(Path("there-is-none"), platform.environment), Console(quiet=True)
    with platform:
        async with Town.open(platform) as town:
            orders = Orders(town, await town.add_restaurant(), await town.add_customers(CUSTOMERS))
            async with orders.coming():
                await add(config, new_url, NEW, console)
                await everybody_is_there(new_url)
                assert (await town.ask(None, "GET", "/readyz")).status == 200
                await move(config, Wanted(shards_of(orders), NEW, None, False), False, console)
                await finish(config, console)
                await orders.some_more()
                with pytest.raises(NodeError, match="--drain growingnew") as refused:
                    await remove(config, NEW, console)
                assert refused.value.code == "holds_shards"
                await move(config, Wanted((), None, NEW, False), False, console)
                await finish(config, console)
                await orders.some_more()
                await removed(config, console)
                await nobody_is_there(new_url)
                await orders.some_more()
            assert orders.wrong == []
            found = await asyncio.gather(*(town.order(order) for order in orders.placed))
            assert [order["id"] for order in found] == [order["id"] for order in orders.placed]

            async def all_are_copied() -> bool:
                return all([await town.is_in_restaurants_list(order) for order in orders.placed[-ORDERS:]])

            await eventually(all_are_copied, "their restaurant sees them")
        audited = await asyncio.to_thread(platform.run, "audit")
        assert audited.returncode == 0, audited.stdout


def shards_of(orders: Orders) -> list[str]:
    """Those of everybody."""
    customers = {f"customer/{shard_of(customer)}" for customer in orders.customers}
    return [*sorted(customers), f"restaurant/{shard_of(orders.restaurant)}"]


async def everybody_is_there(url: str) -> None:
    """Every service reads the new node's log, or follows it: none was started again for that."""
    connection = await asyncpg.connect(url)

    async def all_are() -> bool:
        rows = await connection.fetch(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database()"
        )
        return {row["usename"].rpartition("_")[2] for row in rows} >= {*PARTS} - {"users"}

    try:
        await eventually(all_are, "every process has come to the new node")
    finally:
        await connection.close()


async def nobody_is_there(url: str) -> None:
    connection = await asyncpg.connect(url)

    async def none_is() -> bool:
        return not await connection.fetch(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )

    try:
        await eventually(none_is, "every process has left the node")
    finally:
        await connection.close()


async def removed(config: Config, console: Console) -> None:
    """Its log has to be read first, and on a busy machine that takes a moment."""

    async def is_removed() -> bool:
        try:
            await remove(config, NEW, console)
        except NodeError as error:
            assert error.code == "unread_log", error
            return False
        return True

    await eventually(is_removed, "the node has left")
