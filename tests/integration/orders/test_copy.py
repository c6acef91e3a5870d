"""The restaurant dimension: equal to the truth, whatever order and however often it hears of changes."""

import asyncio
from random import Random

import pytest

from manual_clock import ManualClock
from marketplace import Marketplace
from order_rules import STATES
from tiffin.events.consumer import Consumer
from tiffin.events.runner import ConsumerRunner, backlog
from tiffin.rpc import contracts as c
from tiffin.services.orders.consumers import RestaurantCopy


async def assert_equal(market: Marketplace, *orders: c.Order) -> None:
    for order in orders:
        truth, copy = await market.row(order), await market.row(order, "restaurant")
        assert truth is not None
        assert copy == truth


@pytest.mark.parametrize("state", STATES)
async def test_the_copy_equals_the_truth_column_by_column_in_every_state(
    market: Marketplace, state: str
) -> None:
    order = await market.bring_to("awaiting_payment" if state == "cancelled" else state)
    if state == "cancelled":
        order = await market.say(order, "cancelled", "customer", reason="no hunger")
    assert order.state == state
    await market.copy(order)
    await assert_equal(market, order)


async def test_the_copy_follows_every_step(either_market: Marketplace) -> None:
    market = either_market
    order = await market.place()
    assert await market.row(order, "restaurant") is None
    for event, role, fields in (
        ("courier_assigned", "operator", {"courier_id": "courier-2"}), ("accepted", "restaurant", {}),
        ("courier_assigned", "operator", {"courier_id": "courier-1"}), ("prepared", "restaurant", {}),
        ("picked_up", "courier", {}), ("delivered", "courier", {}), ("completed", "customer", {}),
    ):  # fmt: skip
        await market.copy(order)
        await assert_equal(market, order)
        market.clock.advance(1)
        await market.say(order, event, role, **fields)
        truth, copy = await market.row(order), await market.row(order, "restaurant")
        assert truth is not None and copy is not None and copy["version"] == truth["version"] - 1
    await market.copy(order)
    await assert_equal(market, order)


async def test_events_out_of_order_and_repeated_never_take_the_copy_back(either_market: Marketplace) -> None:
    market = either_market
    orders = [await market.bring_to(state) for state in ("completed", "preparing", "delivered")]
    events = await market.events_of(*orders)
    copier = RestaurantCopy(market.router)
    for seed in range(5):
        shuffled = [*events, *events]
        Random(seed).shuffle(shuffled)
        for event in shuffled:
            await copier.handle([event])
        await copier.handle(shuffled)
        await assert_equal(market, *orders)


async def test_an_old_row_written_late_does_not_replace_a_newer_one(market: Marketplace) -> None:
    """A copier that read the truth, stood still for long, and writes after another one has written."""
    order = await market.bring_to("preparing")
    (event, *_) = await market.events_of(order)
    stale = RestaurantCopy(market.router)
    read = await stale._read([int(order.id)])
    await market.say(order, "prepared", "restaurant")
    await market.copy(order)
    await stale._write(read.values())
    await assert_equal(market, order)
    await RestaurantCopy(market.router).handle([event])
    await assert_equal(market, order)


async def test_copiers_at_work_at_once_agree(either_market: Marketplace) -> None:
    """Two leaders for a moment: one whose connection was lost, and the one that took over."""
    market = either_market
    orders = await asyncio.gather(*(market.bring_to("preparing") for _ in range(30)))
    events = await market.events_of(*orders)
    moves = (market.say(order, "prepared", "restaurant") for order in orders)
    copiers = (RestaurantCopy(market.router).handle(events[n % 3 :: 2] + events[::-1]) for n in range(6))
    await asyncio.gather(*moves, *copiers)
    await market.copy(*orders)
    await assert_equal(market, *orders)


async def test_a_batch_of_many_orders_is_copied_whole(either_market: Marketplace) -> None:
    market = either_market
    orders = await asyncio.gather(*(market.place() for _ in range(200)))
    await market.copy(*orders)
    await assert_equal(market, *orders)


async def test_a_batch_without_orders_is_no_trouble(market: Marketplace) -> None:
    order = await market.place()
    (event,) = await market.events_of(order)
    await RestaurantCopy(market.router).handle([event._replace(stream="payment", key="p-1")])
    await RestaurantCopy(market.router).handle([])
    assert await market.row(order, "restaurant") is None


async def test_an_event_whose_order_is_nowhere_holds_nobody_up(market: Marketplace) -> None:
    order = await market.place()
    (event,) = await market.events_of(order)
    nobody = event._replace(key=str(int(order.id) + (1 << 20)))
    await RestaurantCopy(market.router).handle([nobody, event])
    await assert_equal(market, order)


async def test_while_orders_move_the_running_copy_catches_up_and_ends_equal(
    either_market: Marketplace, clock: ManualClock
) -> None:
    market = either_market
    copier = RestaurantCopy(market.router)
    consumer = Consumer(market.new_id("test.copy"), copier.handle)
    runners = [
        asyncio.create_task(ConsumerRunner(consumer, node, clock).run()) for node in market.router.nodes
    ]
    states = ("completed", "delivering", "ready", "awaiting_payment", "scheduled", "preparing")
    orders = await asyncio.gather(*(market.bring_to(states[n % 6]) for n in range(60)))
    for node in market.router.nodes:
        while await backlog(node, consumer.name):
            await asyncio.sleep(0.01)
    await assert_equal(market, *orders)
    for runner in runners:
        runner.cancel()
    await asyncio.wait(runners)
    of_restaurant = await market.pages(limit=200, restaurant_id=market.restaurant)
    of_customer = await market.pages(limit=200, customer_id=market.customer)
    assert of_restaurant == of_customer
