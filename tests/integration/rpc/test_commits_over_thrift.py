"""Orders over the wire: whatever becomes of the caller or the server's time, a commit is whole or is not."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from manual_clock import ManualClock
from marketplace import Marketplace
from rpc_peers import RawClient
from tiffin.rpc import contracts as c
from tiffin.rpc.server import RpcServer
from tiffin.sharding.router import Router

ORDERS = 40


@pytest.fixture
async def market(
    router: Router, clock: ManualClock, new_id: Callable[[str], str]
) -> AsyncIterator[Marketplace]:
    async with Marketplace.open(router, clock, new_id) as market:
        yield market


async def send_all(market: Marketplace, server: RpcServer) -> tuple[RawClient, list[c.PlaceOrder]]:
    """Ask for many orders at once."""
    client = await RawClient.connect(*server.address)
    requests = [
        msgspec.structs.replace(market.request(), idempotency_key=f"key-{number}") for number in range(ORDERS)
    ]
    for number, request in enumerate(requests):
        client.call(number, "Orders.place", request, market.context("customer"))
    return client, requests


async def assert_each_is_there_once(market: Marketplace, requests: list[c.PlaceOrder]) -> None:
    """Asked for again under their keys, there is one of each, with the whole of its history."""
    again = [await market.orders.place(market.context("customer"), request) for request in requests]
    assert len({order.id for order in again}) == ORDERS
    listed = [order.id for page in await market.pages(customer_id=market.customer) for order in page]
    assert sorted(listed) == sorted(order.id for order in again)
    for order in again:
        assert [event.type for event in await market.history(order)] == ["order.placed"]


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21])
async def test_callers_that_go_away_at_any_moment_leave_whole_orders(market: Marketplace, turns: int):
    async with RpcServer({"Orders": market.orders}, market.clock) as server:
        await server.listen("127.0.0.1", 0)
        client, requests = await send_all(market, server)
        for _ in range(turns):
            await asyncio.sleep(0)
        await client.close()
        assert await server.drain(30) == 0
    await assert_each_is_there_once(market, requests)


@pytest.mark.parametrize("turns", [1, 3, 5, 8, 13, 21, 34, 55, "the first answer"])
async def test_a_server_out_of_time_gives_up_and_leaves_whole_orders(market: Marketplace, turns: int | str):
    async with RpcServer({"Orders": market.orders}, market.clock) as server:
        await server.listen("127.0.0.1", 0)
        client, requests = await send_all(market, server)
        if isinstance(turns, int):
            for _ in range(turns):
                await asyncio.sleep(0)
        else:
            await client.answer()
        await server.drain(0)
        await client.close()
    await assert_each_is_there_once(market, requests)


async def test_a_drained_server_has_answered_every_call_it_began(market: Marketplace):
    async with RpcServer({"Orders": market.orders}, market.clock) as server:
        await server.listen("127.0.0.1", 0)
        client, requests = await send_all(market, server)
        first = await client.answer()
        assert await server.drain(30) == 0
        answers = dict([first, *(await client.answers(ORDERS - 1)).items()])
        assert await client.payload() is None
        await client.close()
    placed = {number: order for number, order in answers.items() if isinstance(order, c.Order)}
    for number, order in placed.items():
        assert await market.orders.place(market.context("customer"), requests[number]) == order
    refused = {error.code for error in answers.values() if not isinstance(error, c.Order)}
    assert refused <= {"draining"}
