"""A process that does not know yet that a shard has moved to another node."""

from collections.abc import AsyncIterator, Callable

import pytest

import databases
from integration.restaurants.kitchen import Kitchen
from manual_clock import ManualClock
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.records import FRESH_MS
from tiffin.services.restaurants.stock import Item, Release, Sell
from tiffin.services.users.customers import Customers
from tiffin.services.users.store import CustomerStore
from tiffin.sharding.partitions import create_partitions, drop_partitions
from tiffin.sharding.router import Router
from tiffin.sharding.slots import DIMENSIONS, shard_of
from tiffin.sharding.topology import move_shards
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node
from unit.restaurants.samples import line

TABLES = {
    "customer": ("users.customers",),
    "restaurant": ("restaurants.restaurants", "restaurants.stock", "restaurants.holds"),
}


@pytest.fixture(scope="module")
async def two_nodes(server: EmbeddedServer) -> AsyncIterator[list[Node]]:
    nodes = await databases.open_platform(server, ["left", "right"])
    yield nodes
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, ["left", "right"])


@pytest.fixture
async def kitchen(
    two_nodes: list[Node], clock: ManualClock, new_id: Callable[[str], str]
) -> AsyncIterator[Kitchen]:
    kitchen = Kitchen(await Router.open(two_nodes), clock, new_id)
    yield kitchen
    await kitchen.stock.close()


async def move(nodes: list[Node], key: str) -> None:
    """Take a key's shards to the other node, rows and all, as a move does."""
    shard = shard_of(key)
    router = await Router.open(nodes)
    for dimension in DIMENSIONS:
        old = router.node(dimension, shard)
        (new,) = [node for node in nodes if node is not old]
        await create_partitions(new, dimension, [shard])
        for table in TABLES[dimension]:
            for row in await old.fetch(f"SELECT * FROM {table} WHERE shard = $1", shard):
                places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
                await new.execute(f"INSERT INTO {table} VALUES ({places})", *row.values())
        await drop_partitions(old, dimension, [shard])
        await move_shards(nodes[0], dimension, [shard], new.name)


async def test_holds_sales_and_releases_find_their_restaurant(kitchen: Kitchen, two_nodes: list[Node]):
    restaurant_id = await kitchen.open_with_stock(cake=5)
    order_ids = [kitchen.order_for(restaurant_id) for _ in range(4)]
    for order_id in order_ids[:2]:
        await kitchen.hold(restaurant_id, order_id, ("cake", 1))
    calls = (
        kitchen.sell(order_ids[0]),
        kitchen.release(order_ids[1]),
        kitchen.hold(restaurant_id, order_ids[2], ("cake", 1)),
        kitchen.hold(restaurant_id, order_ids[3], ("cake", 3)),
    )
    for call in calls:
        await move(two_nodes, restaurant_id)
        assert await call == "ok"
    assert await kitchen.levels(restaurant_id) == {"cake": (4, 4)}
    assert await kitchen.audit(restaurant_id) == []


async def test_events_find_what_orders_hold(kitchen: Kitchen, two_nodes: list[Node]):
    restaurant_id = await kitchen.open_with_stock(cake=5)
    order_ids = [kitchen.order_for(restaurant_id) for _ in range(3)]
    for order_id in order_ids[:2]:
        await kitchen.hold(restaurant_id, order_id, ("cake", 1))
    numbers = [int(order_id) for order_id in order_ids]
    await move(two_nodes, restaurant_id)
    assert await kitchen.stock.held_orders(numbers) == set(numbers[:2])
    await move(two_nodes, restaurant_id)
    await kitchen.stock.carry_out_all([Sell(numbers[0])])
    await move(two_nodes, restaurant_id)
    await kitchen.stock.carry_out_all([Release(number) for number in numbers[1:]])
    assert await kitchen.levels(restaurant_id) == {"cake": (4, 0)}


async def test_menus_prices_and_stock_are_found_and_changed(kitchen: Kitchen, two_nodes: list[Node]):
    restaurant_id = await kitchen.open_with_stock(cake=5)
    request = kitchen.registration()
    await move(two_nodes, restaurant_id)
    kitchen.clock.advance(FRESH_MS / 1000)
    assert (await kitchen.price(restaurant_id, line("cake"))).subtotal == 1000
    await move(two_nodes, restaurant_id)
    accepting = c.SetAccepting(restaurant_id=restaurant_id, accepting_orders=False)
    await kitchen.service.set_accepting(kitchen.context(), accepting)
    await move(two_nodes, restaurant_id)
    received = await kitchen.stock.receive(Item(restaurant_id, "cake"), -2, "taken off")
    assert received.outcome == "done"
    await move(two_nodes, restaurant_id)
    assert await kitchen.levels(restaurant_id) == {"cake": (3, 0)}
    await move(two_nodes, request.id)
    assert (await kitchen.service.create(kitchen.context(), request)).id == request.id


async def test_customers_are_found_and_changed(kitchen: Kitchen, two_nodes: list[Node]):
    users = Customers(CustomerStore(kitchen.router), kitchen.clock)
    customer = c.CreateCustomer(id=kitchen.new_id("customer"), name="Ana")
    await move(two_nodes, customer.id)
    await users.create(kitchen.context(), customer)
    await move(two_nodes, customer.id)
    ref = c.CustomerRef(customer_id=customer.id)
    assert (await users.get(kitchen.context(), ref)).name == "Ana"
    await move(two_nodes, customer.id)
    home = c.Address(
        id="home", label="Home", street="Calle 1", city="Cali", place=c.Place(latitude=4.6, longitude=-74.1)
    )
    saved = await users.save_address(kitchen.context(), c.SaveAddress(customer_id=customer.id, address=home))
    assert saved.addresses == [home]
