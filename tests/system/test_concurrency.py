"""Many at once, over HTTP: no portion sold twice, no order made twice, one outcome of a race."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import databases
from system.town import LOOK_AGAIN_S, Town, eventually, order_for
from tiffin.cli.running import find
from tiffin_process import TiffinProcess

IN_PROGRESS = (409, "request_in_progress")


@pytest.fixture(scope="module")
def platform() -> Iterator[TiffinProcess]:
    """No free minute: who has accepted has accepted."""
    with databases.directory() as directory, TiffinProcess(directory, free_cancellation_s=0) as process:
        yield process


@pytest.fixture(scope="module")
async def town(platform: TiffinProcess) -> AsyncIterator[Town]:
    async with Town.open(platform) as town:
        yield town


async def test_a_hundred_customers_get_the_last_portion_once(town: Town) -> None:
    restaurant, customers = await town.add_restaurant(portions=1), await town.add_customers(100)
    body = order_for(restaurant, dish="cake")
    answers = await asyncio.gather(*(town.try_to_place(customer, body) for customer in customers))
    assert Counter(answer.said for answer in answers) == {201: 1, (409, "out_of_stock"): 99}

    async def is_sold() -> bool:
        return await town.cakes(restaurant) == (0, 0)

    await eventually(is_sold, "the portion is sold and no longer held")
    (placed,) = [answer.json for answer in answers if answer.status == 201]
    await eventually(lambda: town.is_in_restaurants_list(placed), "the order is copied")
    listed = await town.get(("restaurant", restaurant), f"/v1/restaurants/{restaurant}/orders")
    assert [order["id"] for order in listed["orders"]] == [placed["id"]]


async def test_a_thousand_retries_of_one_key_make_one_order_and_get_the_same_bytes(town: Town) -> None:
    """Meanwhile the order moves on, and somebody else gets the last portion: no retry stands in the way."""
    restaurant, (customer, other) = await town.add_restaurant(portions=2), await town.add_customers(2)
    body, key, fifty = order_for(restaurant, dish="cake"), uuid4().hex, asyncio.Semaphore(50)
    first: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def until_answered() -> bytes:
        async with fifty:
            while (answer := await town.try_to_place(customer, body, key)).said == IN_PROGRESS:
                await asyncio.sleep(LOOK_AGAIN_S)
        assert answer.status == 201, answer.body
        if not first.done():
            first.set_result(answer.json)
        return answer.body

    retries = asyncio.gather(*(until_answered() for _ in range(1000)))
    order = await first
    await town.say(order, "restaurant", "accept")
    await town.place(other, restaurant, dish="cake")
    bodies = await retries
    assert len(set(bodies)) == 1
    assert [told[1] for told in await town.timeline(order)] == ["order.placed", "order.accepted"]
    mine = await town.get(("customer", customer), "/v1/orders")
    assert [each["id"] for each in mine["orders"]] == [order["id"]]

    async def are_sold() -> bool:
        return await town.cakes(restaurant) == (0, 0)

    await eventually(are_sold, "both portions are sold, none is held")


async def test_of_accepting_rejecting_and_cancelling_at_once_one_wins(town: Town) -> None:
    restaurant, customer = await town.add_restaurant(), await town.add_customer()
    orders = await asyncio.gather(*(town.place(customer, restaurant) for _ in range(50)))
    kitchen, eater = ("restaurant", restaurant), ("customer", customer)
    ways = {
        "accept": (kitchen, "order.accepted", "preparing"),
        "reject": (kitchen, "order.rejected", "cancelled"),
        "cancel": (eater, "order.cancelled", "cancelled"),
    }

    async def race(number: int, order: Any) -> str:
        turn = number % 3
        actions = [*ways][turn:] + [*ways][:turn]
        answers = await asyncio.gather(
            *(town.try_to_say(ways[action][0], order, action) for action in actions)
        )
        assert Counter(answer.said for answer in answers) == {200: 1, (409, "wrong_state"): 2}
        ((winner, told),) = [
            (action, answer) for action, answer in zip(actions, answers, strict=True) if answer.status == 200
        ]
        _, event, state = ways[winner]
        assert told.json["state"] == (await town.order(order))["state"] == state
        placed = (1, "order.placed", "awaiting_acceptance")
        assert await town.timeline(order) == [placed, (2, event, state)]
        return winner

    winners = Counter(await asyncio.gather(*(race(number, order) for number, order in enumerate(orders))))
    assert len(winners) == 3, "it was no race"


async def test_a_burst_at_three_restaurants_sells_exactly_what_they_have(town: Town) -> None:
    """The fullest second of a real day: 66 orders of one city, 59 of them at three restaurants."""
    limited = await asyncio.gather(*(town.add_restaurant(portions=12) for _ in range(3)))
    elsewhere = await asyncio.gather(*(town.add_restaurant() for _ in range(7)))
    customers = await town.add_customers(66)
    wanted = [order_for(restaurant, dish="cake") for restaurant in limited * 20][:59]
    wanted += [order_for(restaurant) for restaurant in elsewhere]
    answers = await asyncio.gather(
        *(town.try_to_place(customer, body) for customer, body in zip(customers, wanted, strict=True))
    )
    said = Counter((body["restaurant_id"], answer.said) for body, answer in zip(wanted, answers, strict=True))
    sold_out = Counter(body["restaurant_id"] for body in wanted)
    assert said == {
        **{(restaurant, 201): 12 for restaurant in limited},
        **{(restaurant, (409, "out_of_stock")): sold_out[restaurant] - 12 for restaurant in limited},
        **{(restaurant, 201): 1 for restaurant in elsewhere},
    }
    placed = [answer.json for answer in answers if answer.status == 201]

    async def is_settled() -> bool:
        stocks = [await town.cakes(restaurant) for restaurant in limited]
        copied = [await town.is_in_restaurants_list(order) for order in placed]
        return all(copied) and stocks == [(0, 0)] * 3

    await eventually(is_settled, "every portion is sold and every order copied")


async def test_after_all_of_it_the_audit_is_clean(town: Town) -> None:
    audited = await asyncio.to_thread(town.process.run, "audit")
    assert audited.returncode == 0, audited.stdout


def _begin(directory: Path) -> "subprocess.Popen[str]":
    process = TiffinProcess(directory)
    return subprocess.Popen(
        [sys.executable, "-m", "tiffin", "up", "--port", "0"], env=process.environment, cwd=directory,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


async def test_of_two_servers_started_at_once_on_one_directory_one_serves(data_directory: Path) -> None:
    both = [_begin(data_directory) for _ in range(2)]
    try:

        async def is_up() -> bool:
            return find(data_directory) is not None

        await eventually(is_up, "one serves")
        running = find(data_directory)
        (refused,) = [process for process in both if running is not None and process.pid != running.pid]
        _, told = await asyncio.to_thread(refused.communicate, timeout=60)
        assert refused.returncode == 1
        assert "already up" in told
        late = TiffinProcess(data_directory).run("up", "--port", "0")
        assert (late.returncode, late.stderr.count("\n")) == (1, 1)
        assert f"already up: process {running.pid} at {running.url}" in late.stderr
    finally:
        for process in both:
            process.terminate()
            process.communicate()
