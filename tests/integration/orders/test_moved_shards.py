"""A process whose topology is old: no order is lost, and none that exists is not found."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

import databases
from manual_clock import ManualClock
from marketplace import Marketplace, move_shard, refusal_of
from tiffin.rpc import contracts as c
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.service import OrdersService
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node


class Move:
    """Moves the market's shards behind the back of processes."""

    def __init__(self, market: Marketplace, nodes: list[Node]) -> None:
        self.market = market
        self.nodes = nodes

    async def stale_router(self) -> Router:
        """A router of a process that will not be told."""
        return await Router.open(self.nodes)

    async def stale_process(self) -> OrdersService:
        return self.market.process(await self.stale_router())

    async def customer(self) -> Node:
        return await move_shard(self.nodes, "customer", shard_of(self.market.customer))

    async def restaurant(self) -> Node:
        return await move_shard(self.nodes, "restaurant", shard_of(self.market.restaurant))


@pytest.fixture(scope="module")
async def nodes(server: EmbeddedServer) -> AsyncIterator[list[Node]]:
    """Nodes of one's own: other tests count on where the shards of the shared ones are."""
    names = ["spring", "summer", "autumn", "winter"]
    nodes = await databases.open_platform(server, names)
    yield nodes
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, names)


@pytest.fixture
async def move(nodes: list[Node], clock: ManualClock, new_id: Callable[[str], str]) -> AsyncIterator[Move]:
    async with Marketplace.open(await Router.open(nodes), clock, new_id) as market:
        yield Move(market, nodes)


async def test_an_order_placed_by_a_stale_process_lands_on_the_new_node(move: Move) -> None:
    market = move.market
    stale = await move.stale_process()
    node = await move.customer()
    orders = await asyncio.gather(*(market.place(orders=stale) for _ in range(20)))
    for order in orders:
        assert await node.fetchrow("SELECT FROM orders.orders WHERE id = $1", int(order.id)) is not None
        assert (await market.get(order)).id == order.id
        assert len(await market.history(order)) == 1


async def test_many_stale_readers_at_once_all_find_what_is_there(move: Move) -> None:
    """The first to notice takes the new topology; those who have asked the old node must notice too."""
    market = move.market
    order = await market.place()
    stale = await move.stale_process()
    await move.customer()
    context = market.context("operator")
    answers = await asyncio.gather(
        *(stale.get(context, c.OrderRef(order_id=order.id)) for _ in range(30)),
        *(stale.timeline(context, c.OrderRef(order_id=order.id)) for _ in range(30)),
        *(stale.list_orders(context, c.ListOrders(customer_id=market.customer)) for _ in range(30)),
    )
    for answer in answers:
        match answer:
            case c.Order():
                assert answer.id == order.id
            case c.Timeline():
                assert len(answer.events) == 1
            case c.OrderPage():
                assert [each.id for each in answer.orders] == [order.id]


async def test_stale_processes_move_orders_along_and_lose_no_step(move: Move) -> None:
    market = move.market
    orders = await asyncio.gather(*(market.place() for _ in range(10)))
    for event, role in (("accepted", "restaurant"), ("prepared", "restaurant"), ("cancelled", "operator")):
        stale = await move.stale_process()
        await move.customer()
        await asyncio.gather(*(market.say(order, event, role, orders=stale) for order in orders))
    for order in orders:
        history = await market.history(order)
        assert [event.version for event in history] == [1, 2, 3, 4]
        assert (await market.get(order)).state == "cancelled"


async def test_a_retry_at_a_stale_process_finds_the_first_order(move: Move) -> None:
    market = move.market
    request = market.request()
    order = await market.place(request)
    stale = await move.stale_process()
    await move.customer()
    answers = {
        msgspec.json.encode(await market.place(request, orders=process))
        for process in (stale, market.orders, stale)
    }
    assert answers == {msgspec.json.encode(order)}
    another = msgspec.structs.replace(request, note="another")
    stale = await move.stale_process()
    assert await refusal_of(market.place(another, orders=stale)) == "idempotency_key_reused"


async def test_a_copier_with_an_old_topology_finds_the_truth_where_it_is_now(move: Move) -> None:
    market = move.market
    orders = await asyncio.gather(*(market.place() for _ in range(10)))
    events = await market.events_of(*orders)
    stale = RestaurantCopy(await move.stale_router())
    await move.customer()
    await market.router.changed()
    await stale.handle(events)
    for order in orders:
        assert await market.row(order, "restaurant") == await market.row(order)


async def test_a_copier_with_an_old_topology_writes_where_the_copies_live_now(move: Move) -> None:
    market = move.market
    orders = await asyncio.gather(*(market.place() for _ in range(10)))
    events = await market.events_of(*orders)
    stale = RestaurantCopy(await move.stale_router())
    await move.restaurant()
    await market.router.changed()
    await stale.handle(events)
    for order in orders:
        assert await market.row(order, "restaurant") == await market.row(order)
    (page,) = await market.pages(restaurant_id=market.restaurant)
    assert {order.id for order in page} == {order.id for order in orders}


async def test_a_list_of_a_restaurant_that_has_moved_is_found_by_a_stale_process(move: Move) -> None:
    market = move.market
    orders = await asyncio.gather(*(market.place() for _ in range(5)))
    await market.copy(*orders)
    stale = await move.stale_process()
    await move.restaurant()
    request = c.ListOrders(restaurant_id=market.restaurant)
    pages = await asyncio.gather(*(stale.list_orders(market.context("operator"), request) for _ in range(10)))
    assert all({each.id for each in page.orders} == {order.id for order in orders} for page in pages)


async def test_orders_placed_and_moved_while_their_shard_moves_are_all_there(move: Move) -> None:
    """The shard goes round all four nodes while six processes that know nothing of it go on placing.

    A move by hand copies rows that were there when it began, so writers stand still while one is made: what
    is tried here is that none of them needs to be told afterwards.
    """
    market = move.market
    processes = [await move.stale_process() for _ in range(3)]
    orders: list[c.Order] = []
    for _ in range(4):
        await move.customer()
        placed = await asyncio.gather(
            *(market.place(orders=process) for process in processes for _ in range(5)),
        )
        await asyncio.gather(
            *(market.say(order, "accepted", "restaurant", orders=processes[0]) for order in placed)
        )
        orders += placed
    (page,) = await market.pages(customer_id=market.customer, limit=200)
    assert {order.id for order in page} == {order.id for order in orders}
    assert {order.state for order in page} == {"preparing"}
    for order in orders:
        assert len(await market.history(order)) == 2
