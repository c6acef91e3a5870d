import random
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from integration.restaurants.kitchen import Kitchen
from tiffin.events.event import Event
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.consumers import StockConsumer

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Orders:
    """Stands where the orders service does, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[c.Caller, c.AdvanceOrder]] = []
        self.answer: Exception | None = None

    async def advance(self, context: c.CallContext, request: c.AdvanceOrder) -> None:
        self.told.append((context.caller, request))
        if self.answer:
            raise self.answer


def event(order_id: str, what: str, to_state: str, version: int = 1, stream: str = "order") -> Event:
    data = c.OrderEvent(
        order_id=order_id, version=version, type=what, to_state=to_state, at="2026-06-01T12:00:00.000Z",
        actor=c.Caller(role="customer", id="ana"), request_id="r", customer_id="ana", restaurant_id="r",
    )  # fmt: skip
    text = msgspec.json.encode(data).decode()
    return Event(1, 1, 0, "customer", 0, stream, order_id, version, what, text, AT, "r")  # pyright: ignore


@pytest.fixture
def orders() -> Orders:
    return Orders()


@pytest.fixture
def consumer(kitchen: Kitchen, orders: Orders) -> StockConsumer:
    return StockConsumer(kitchen.stock, orders, kitchen.clock)  # pyright: ignore


async def held_orders(kitchen: Kitchen, restaurant_id: str, count: int) -> list[str]:
    order_ids = [kitchen.order_for(restaurant_id) for _ in range(count)]
    for order_id in order_ids:
        assert await kitchen.hold(restaurant_id, order_id, ("cake", 1)) == "ok"
    return order_ids


@pytest.mark.parametrize(
    ("what", "to_state", "level"),
    [
        ("order.placed", "awaiting_acceptance", (1, 0)),
        ("order.placed", "scheduled", (1, 0)),
        ("order.placed", "awaiting_payment", (2, 1)),
        ("order.paid", "awaiting_acceptance", (1, 0)),
        ("order.paid", "scheduled", (1, 0)),
        ("order.cancelled", "cancelled", (2, 0)),
        ("order.payment_expired", "cancelled", (2, 0)),
        ("order.rejected", "cancelled", (2, 0)),
        ("order.courier_assigned", "awaiting_acceptance", (2, 1)),
    ],
)
async def test_an_order_buys_its_portions_when_it_stands_and_returns_them_when_it_falls(
    kitchen: Kitchen, consumer: StockConsumer, what: str, to_state: str, level: tuple[int, int]
):
    restaurant_id = await kitchen.open_with_stock(cake=2)
    (order_id,) = await held_orders(kitchen, restaurant_id, 1)
    await consumer.handle([event(order_id, what, to_state)])
    assert await kitchen.levels(restaurant_id) == {"cake": level}


async def test_a_payments_event_is_not_an_orders(kitchen: Kitchen, consumer: StockConsumer):
    restaurant_id = await kitchen.open_with_stock(cake=1)
    (order_id,) = await held_orders(kitchen, restaurant_id, 1)
    await consumer.handle([event(order_id, "order.paid", "awaiting_acceptance", stream="payment")])
    assert await kitchen.levels(restaurant_id) == {"cake": (1, 1)}


def lives(order_ids: Sequence[str]) -> list[Event]:
    """Events of orders in their order: all are placed, every third falls."""
    placed = [event(order_id, "order.placed", "awaiting_acceptance") for order_id in order_ids]
    fallen = [event(order_id, "order.cancelled", "cancelled", 2) for order_id in order_ids[::3]]
    return placed + fallen


async def test_events_that_come_again_in_any_batches_change_nothing_more(
    kitchen: Kitchen, consumer: StockConsumer, orders: Orders
):
    restaurants = [await kitchen.open_with_stock(cake=9) for _ in range(4)]
    order_ids = [order for each in restaurants for order in await held_orders(kitchen, each, 9)]
    log = lives(order_ids)
    await consumer.handle(log)
    levels = [await kitchen.levels(each) for each in restaurants]
    assert sum(level["cake"][0] for level in levels) == 12
    chance = random.Random(1)
    for _ in range(5):
        start = chance.randrange(len(log))
        await consumer.handle(log[start : start + chance.randrange(1, 20)])
    await consumer.handle(log)
    assert [await kitchen.levels(each) for each in restaurants] == levels
    assert orders.told == []
    assert [await kitchen.audit(each) for each in restaurants] == [[]] * 4


async def test_an_order_that_fell_without_holding_anything_never_holds(
    kitchen: Kitchen, consumer: StockConsumer
):
    restaurant_id = await kitchen.open_with_stock(cake=1)
    order_id = kitchen.order_for(restaurant_id)
    await consumer.handle([event(order_id, "order.cancelled", "cancelled")])
    assert await kitchen.hold(restaurant_id, order_id, ("cake", 1)) == "hold_expired"


async def test_orders_that_hold_nothing_are_let_pass(
    kitchen: Kitchen, consumer: StockConsumer, orders: Orders
):
    restaurant_id = await kitchen.open_with_stock(cake=1)
    order_ids = [kitchen.order_for(restaurant_id) for _ in range(50)]
    await consumer.handle([event(order_id, "order.placed", "awaiting_acceptance") for order_id in order_ids])
    assert orders.told == []
    assert await kitchen.levels(restaurant_id) == {"cake": (1, 0)}


async def fail_to_sell(kitchen: Kitchen) -> tuple[str, Event]:
    """An order that stands after its hold ran out and its portion went to another."""
    restaurant_id = await kitchen.open_with_stock(cake=1)
    (late,) = await held_orders(kitchen, restaurant_id, 1)
    await kitchen.pass_hold()
    await held_orders(kitchen, restaurant_id, 1)
    return late, event(late, "order.paid", "awaiting_acceptance")


async def test_an_order_whose_portions_are_gone_is_cancelled_by_the_platform(
    kitchen: Kitchen, consumer: StockConsumer, orders: Orders
):
    late, paid = await fail_to_sell(kitchen)
    await consumer.handle([paid])
    assert orders.told == [
        (
            c.Caller(role="system", id="restaurants"),
            c.AdvanceOrder(order_id=late, event="cancelled", reason="out_of_stock"),
        )
    ]


async def test_an_order_that_is_cancelled_already_or_too_far_on_its_way_holds_nobody_up(
    kitchen: Kitchen, consumer: StockConsumer, orders: Orders
):
    _, paid = await fail_to_sell(kitchen)
    orders.answer = Refusal("wrong_state", "cancelled already")
    await consumer.handle([paid])
    assert len(orders.told) == 1


@pytest.mark.parametrize(
    "error", [Unavailable("database_unavailable", "away"), Refusal("forbidden", "not you")]
)
async def test_a_cancellation_that_did_not_arrive_is_tried_again(
    kitchen: Kitchen, consumer: StockConsumer, orders: Orders, error: Exception
):
    _, paid = await fail_to_sell(kitchen)
    orders.answer = error
    with pytest.raises(type(error)):
        await consumer.handle([paid])
    orders.answer = None
    await consumer.handle([paid])
    assert len(orders.told) == 2
