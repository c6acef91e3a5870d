"""Any sequence of holds, sales, releases and passing time, against a model that counts from what happened."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.restaurants.kitchen import HOLD_S, Kitchen, said

DISHES = ("cake", "pie")
ORDERS = 4
START = 3
"""Portions of each dish in the beginning."""


@dataclass
class Model:
    """What each order did, as told by the answers; every number is counted anew from that."""

    now: float = 0
    received: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DISHES, START))
    wanted: dict[int, dict[str, int]] = field(default_factory=dict[int, dict[str, int]])
    until: dict[int, float] = field(default_factory=dict[int, float])
    sold: set[int] = field(default_factory=set[int])
    fallen: set[int] = field(default_factory=set[int])

    def on_hand(self, dish: str) -> int:
        return self.received[dish] - sum(self.wanted[order].get(dish, 0) for order in self.sold)

    def held(self, dish: str) -> int:
        return sum(wanted.get(dish, 0) for order, wanted in self.wanted.items() if self.is_live(order))

    def is_live(self, order: int) -> bool:
        return self.until.get(order, 0) > self.now and order not in self.sold | self.fallen

    def fits(self, wanted: dict[str, int]) -> bool:
        return all(self.on_hand(dish) - self.held(dish) >= count for dish, count in wanted.items())

    def hold(self, order: int, wanted: dict[str, int]) -> str:
        if order in self.fallen:
            return "hold_expired"
        if order in self.wanted and self.wanted[order] != wanted:
            return "id_taken"
        if order in self.sold or self.is_live(order):
            return "ok"
        if not self.fits(wanted):
            return "out_of_stock"
        self.wanted[order], self.until[order] = wanted, self.now + HOLD_S
        return "ok"

    def sell(self, order: int) -> str:
        if order in self.fallen:
            return "hold_expired"
        if order not in self.wanted or order in self.sold:
            return "ok"
        if not self.is_live(order) and not self.fits(self.wanted[order]):
            return "hold_expired"
        self.sold.add(order)
        return "ok"

    def release(self, order: int) -> str:
        self.sold.discard(order)
        self.fallen.add(order)
        return "ok"

    def add(self, dish: str, quantity: int) -> str:
        if self.on_hand(dish) + quantity < self.held(dish):
            return "out_of_stock"
        self.received[dish] += quantity
        return "ok"


orders = st.integers(0, ORDERS - 1)
wanted = st.dictionaries(st.sampled_from(DISHES), st.integers(1, 3), min_size=1)
steps = st.lists(
    st.tuples(st.just("hold"), orders, wanted)
    | st.tuples(st.just("sell"), orders)
    | st.tuples(st.just("release"), orders)
    | st.tuples(st.just("wait"), st.sampled_from([1.0, HOLD_S / 2, float(HOLD_S)]))
    | st.tuples(st.just("add"), st.sampled_from(DISHES), st.integers(-3, 3)),
    min_size=5,
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
async def test_stock_is_what_the_history_of_its_orders_makes_it(
    kitchen: Kitchen, other_kitchen: Kitchen, history: Sequence[tuple[Any, ...]]
):
    model = Model()
    restaurant_id = await kitchen.open_with_stock(**dict.fromkeys(DISHES, START))
    order_ids = [kitchen.order_for(restaurant_id) for _ in range(ORDERS)]
    for number, step in enumerate(history):
        process = (kitchen, other_kitchen)[number % 2]
        match step:
            case ("hold", order, lines):
                answer = await process.hold(restaurant_id, order_ids[order], *lines.items())
                assert answer == model.hold(order, lines)
            case ("sell", order):
                assert await process.sell(order_ids[order]) == model.sell(order)
            case ("release", order):
                assert await process.release(order_ids[order]) == model.release(order)
            case ("wait", seconds):
                kitchen.clock.advance(seconds)
                model.now += seconds
            case ("add", dish, quantity):
                answer = await said(process.add_stock(restaurant_id, dish, quantity))
                assert answer == model.add(dish, quantity)
            case _:
                raise AssertionError(step)
        expected = {dish: (model.on_hand(dish), model.held(dish)) for dish in DISHES}
        assert await kitchen.levels(restaurant_id) == expected
        assert all(0 <= held <= on_hand for on_hand, held in expected.values())
    assert await kitchen.audit(restaurant_id) == []
