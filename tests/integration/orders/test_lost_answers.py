"""Orders whose answers are lost on the way: each is placed, and each step taken, exactly once."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from marketplace import Marketplace
from tcp_proxy import Fault, TcpProxy
from tiffin.rpc import contracts as c
from tiffin.services.orders.service import OrdersService
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

ROUNDS = 15
ONE_PLACED = b"INSERT 0 1\x00"
ONE_MOVED = b"\x00\x02\x00\x00\x00\x08"
"""A row of two columns, the first an id: no other answer of the service looks like that."""


@pytest.fixture
async def proxy(node: Node) -> AsyncIterator[TcpProxy]:
    async with TcpProxy.before(node.url) as proxy:
        yield proxy


@pytest.fixture
async def orders(market: Marketplace, proxy: TcpProxy) -> AsyncIterator[OrdersService]:
    """A process of the service that reaches its database through the proxy."""
    node = await Node.open("local", proxy.url, readers_max=1)
    yield market.process(await Router.open([node]))
    await node.close()


def cut_when_written(reply: bytes) -> Fault | None:
    """One order has been written and committed, and the server says so."""
    written = (ONE_PLACED in reply or ONE_MOVED in reply) and reply.endswith(b"Z\x00\x00\x00\x05I")
    return "cut" if written else None


async def test_an_order_whose_answer_is_lost_after_the_commit_is_placed_once(
    market: Marketplace, orders: OrdersService, proxy: TcpProxy
) -> None:
    for number in range(ROUNDS):
        proxy.on_reply = cut_when_written
        order = await market.place(orders=orders)
        assert proxy.on_reply is None, "the answer was lost"
        assert len(await market.history(order)) == 1
        (page,) = await market.pages(customer_id=market.customer)
        assert len(page) == number + 1


async def test_a_step_whose_answer_is_lost_after_the_commit_is_taken_once_and_not_refused(
    market: Marketplace, orders: OrdersService, proxy: TcpProxy
) -> None:
    for _ in range(ROUNDS):
        order = await market.place()
        for version, event in ((2, "accepted"), (3, "prepared")):
            proxy.on_reply = cut_when_written
            moved = await market.say(order, event, "restaurant", orders=orders)
            assert proxy.on_reply is None, "the answer was lost"
            assert moved.version == version
        assert [event.version for event in await market.history(order)] == [1, 2, 3]


async def test_a_step_that_somebody_else_took_is_not_taken_for_ones_own(
    market: Marketplace, orders: OrdersService, proxy: TcpProxy
) -> None:
    """The connection breaks before the statement arrives, and meanwhile another process says the same."""
    for _ in range(ROUNDS):
        order = await market.place()
        warm = await market.place()
        await market.say(warm, "accepted", "restaurant", orders=orders)
        both = await asyncio.gather(
            market.say(order, "accepted", "restaurant", orders=orders),
            market.say(order, "accepted", "operator"),
            _cut(proxy),
            return_exceptions=True,
        )
        history = await market.history(order)
        assert [event.version for event in history] == [1, 2]
        winners = [answer for answer in both if isinstance(answer, c.Order)]
        assert len(winners) == 1
        by_restaurant = isinstance(both[0], c.Order)
        assert history[1].actor.role == ("restaurant" if by_restaurant else "operator")


async def _cut(proxy: TcpProxy) -> None:
    proxy.cut()


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_wherever_connections_are_cut_orders_go_all_the_way_once(
    market: Marketplace, orders: OrdersService, proxy: TcpProxy, seed: int
) -> None:
    random = Random(seed)

    async def life(number: int) -> c.Order:
        order = await market.place(key=f"{seed}-{number}", orders=orders)
        for event, role in (
            ("accepted", "restaurant"), ("courier_assigned", "courier"), ("prepared", "restaurant"),
            ("picked_up", "courier"), ("delivered", "courier"), ("completed", "customer"),
        ):  # fmt: skip
            if random.random() < 0.3:
                proxy.cut_after(to_client=random.randrange(1, 2000))
            elif random.random() < 0.3:
                proxy.cut_after(to_server=random.randrange(1, 6000))
            order = await market.say(order, event, role, orders=orders)
        return order

    lives = await asyncio.gather(*(life(number) for number in range(12)))
    proxy.cut_after()
    assert proxy.cuts
    for order in lives:
        assert (order.state, order.version) == ("completed", 7)
        assert [event.version for event in await market.history(order)] == list(range(1, 8))
    (page,) = await market.pages(customer_id=market.customer)
    assert len(page) == 12
