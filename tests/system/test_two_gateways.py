"""Two servers on one database of somebody else's: either may be asked, and nothing happens twice."""

import asyncio
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

import databases
from system.town import FEE, MENU, OPERATOR, PRICE, Answer, Town, actor, eventually, order_for
from tiffin.cli.platform import CONSUMER_NAMES
from tiffin.storage.embedded import EmbeddedServer
from tiffin_process import TiffinProcess


@pytest.fixture(scope="module")
async def pair(server: EmbeddedServer, new_id: Callable[[str], str]) -> AsyncIterator[tuple[Town, Town]]:
    """Both started at the same moment on a database in which nothing is yet, with one secret."""
    name = new_id("shared")
    await server.create_database(name)
    nodes = f"north={server.url(name)}"
    with databases.directory() as here, databases.directory() as there:
        both = [TiffinProcess(here, nodes=nodes)]
        shutil.copy(here / "secret", there / "secret")
        both.append(TiffinProcess(there, nodes=nodes))
        async with AsyncExitStack() as stack:
            for process in both:
                stack.push_async_callback(asyncio.to_thread, process.__exit__, None, None, None)
            await asyncio.gather(*(asyncio.to_thread(process.start) for process in both))
            first, second = [await stack.enter_async_context(Town.open(process)) for process in both]
            yield first, second


async def test_one_key_at_both_at_once_makes_one_order(pair: tuple[Town, Town]) -> None:
    restaurant, customer = await pair[0].add_restaurant(portions=100), await pair[0].add_customer()
    body = order_for(restaurant, dish="cake")

    async def place_at_both() -> set[bytes]:
        key = uuid4().hex
        answers = await asyncio.gather(*(town.try_to_place(customer, body, key) for town in pair))
        assert [answer.status for answer in answers] == [201, 201]
        return {answer.body for answer in answers}

    placed = await asyncio.gather(*(place_at_both() for _ in range(30)))
    assert [len(bodies) for bodies in placed] == [1] * 30
    for town in pair:
        mine = await town.get(("customer", customer), "/v1/orders?limit=200")
        assert len(mine["orders"]) == 30

    async def is_settled() -> bool:
        return await pair[1].cakes(restaurant) == (70, 0)

    await eventually(is_settled, "30 portions are sold, and none is held for an order that was not made")


async def test_what_happens_through_one_is_heard_on_the_streams_of_the_other(pair: tuple[Town, Town]) -> None:
    here, there = pair
    restaurant, customer = await here.add_restaurant(), await here.add_customer()
    async with there.listen(("restaurant", restaurant), f"/v1/restaurants/{restaurant}/events") as kitchen:
        order = await here.place(customer, restaurant)
        heard = await anext(kitchen)
        assert (heard.name, heard.data["order_id"]) == ("order.placed", order["id"])
        async with there.listen(actor(order, "customer"), f"/v1/orders/{order['id']}/events") as eater:
            assert (await anext(eater)).data == order
            await here.say(order, "restaurant", "accept")
            for stream in (eater, kitchen):
                heard = await anext(stream)
                assert (heard.name, heard.data["version"]) == ("order.accepted", 2)


async def test_a_menu_changed_through_one_is_soon_priced_by_the_other(pair: tuple[Town, Town]) -> None:
    here, there = pair
    restaurant, customer = await here.add_restaurant(), await here.add_customer()
    asked = {"restaurant_id": restaurant, "lines": [{"item_id": "soup", "quantity": 1}]}

    async def price() -> int:
        quote = await there.ask(("customer", customer), "POST", "/v1/quotes", asked)
        return quote.json["total"]["amount"]

    assert await price() == PRICE + FEE
    dearer = {"items": [{**MENU[0], "price": PRICE + 1}]}
    await here.ask(OPERATOR, "PUT", f"/v1/restaurants/{restaurant}/menu", dearer)

    async def has_changed() -> bool:
        return await price() == PRICE + 1 + FEE

    await eventually(has_changed, "the new price")


async def handled(town: Town) -> Counter[str]:
    """How many events the consumers of one server have handled."""
    metrics: Answer = await town.ask(None, "GET", "/metrics")
    lines = re.findall(
        r'^tiffin_consumer_events_total{consumer="(.+?)".*} (\S+)$', metrics.body.decode(), re.M
    )
    return Counter({name: int(float(count)) for name, count in lines})


async def test_each_consumer_runs_in_one_of_them_and_moves_when_that_one_is_killed(
    pair: tuple[Town, Town],
) -> None:
    restaurant, customer = await pair[0].add_restaurant(portions=100), await pair[0].add_customer()

    async def place_and_wait(towns: tuple[Town, ...]) -> None:
        orders: list[Any] = [
            await town.place(customer, restaurant, dish="cake") for town in towns for _ in "ab"
        ]
        for order in orders:
            await eventually(lambda order=order: towns[-1].is_in_restaurants_list(order), "it is copied")

    await place_and_wait(pair)

    async def all_took_all() -> bool:
        both = [await handled(town) for town in pair]
        return len({sum(counts[name] for counts in both) for name in CONSUMER_NAMES}) == 1

    await eventually(all_took_all, "every consumer has handled every event")
    both = [await handled(town) for town in pair]
    for name in CONSUMER_NAMES:
        assert sorted(counts[name] > 0 for counts in both) == [False, True], f"{name}: {both}"

    leads_copy = both[1]["orders.restaurant_copy"] > 0
    killed, left = pair[leads_copy], pair[not leads_copy]
    killed.process.kill()
    try:
        await place_and_wait((left,))
    finally:
        await asyncio.to_thread(killed.process.start)
