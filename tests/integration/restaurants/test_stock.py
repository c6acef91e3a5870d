import asyncio
from datetime import timedelta

import pytest

from integration.restaurants.kitchen import HOLD_S, Kitchen, said
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.sharding.slots import shard_of
from unit.restaurants.samples import item

ROUNDS = 5


async def test_of_a_hundred_callers_for_the_last_portion_one_gets_it(
    kitchen: Kitchen, other_kitchen: Kitchen
):
    """Half of them by another process, with connections of its own."""
    restaurant_id = await kitchen.open_with_stock(cake=0)
    for sold in range(ROUNDS):
        await kitchen.add_stock(restaurant_id, "cake", 1)
        orders = [kitchen.order_for(restaurant_id) for _ in range(100)]
        kitchens = [kitchen, other_kitchen] * 50
        answers = await asyncio.gather(
            *(
                each.hold(restaurant_id, order, ("cake", 1))
                for each, order in zip(kitchens, orders, strict=True)
            )
        )
        assert sorted(answers) == ["ok"] + ["out_of_stock"] * 99
        assert await kitchen.levels(restaurant_id) == {"cake": (1, 1)}
        sales = await asyncio.gather(*(other_kitchen.sell(order) for order in orders))
        assert sales == ["ok"] * 100  # for the 99 there is nothing to be sold
        assert await kitchen.levels(restaurant_id) == {"cake": (0, 0)}
        assert sold + 1 == await sold_portions(kitchen, restaurant_id)
    assert await kitchen.audit(restaurant_id) == []


async def test_a_hundred_orders_for_dishes_in_any_order_leave_nothing_sold_twice_and_nobody_stuck(
    kitchen: Kitchen, other_kitchen: Kitchen
):
    restaurant_id = await kitchen.open_with_stock(cake=40, pie=50, tart=60)
    wanted = [("cake", "pie"), ("pie", "tart"), ("tart", "cake"), ("tart", "pie", "cake")]
    orders = [kitchen.order_for(restaurant_id) for _ in range(100)]
    answers = await asyncio.gather(
        *(
            (kitchen, other_kitchen)[n % 2].hold(restaurant_id, order, *((dish, 1) for dish in wanted[n % 4]))
            for n, order in enumerate(orders)
        )
    )
    assert set(answers) <= {"ok", "out_of_stock"}
    held = {
        dish: sum(dish in wanted[n % 4] for n in range(100) if answers[n] == "ok")
        for dish in ("cake", "pie", "tart")
    }
    levels = await kitchen.levels(restaurant_id)
    assert {dish: on for dish, (_, on) in levels.items()} == held
    assert all(count <= on_hand for on_hand, count in levels.values())
    assert held["cake"] == 40 or held["pie"] == 50 or held["tart"] == 60


async def test_two_lines_of_one_dish_are_wanted_together(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=3)
    order = kitchen.order_for(restaurant_id)
    assert await kitchen.hold(restaurant_id, order, ("cake", 2), ("cake", 2)) == "out_of_stock"
    assert await kitchen.hold(restaurant_id, order, ("cake", 2), ("cake", 1)) == "ok"
    assert await kitchen.levels(restaurant_id) == {"cake": (3, 3)}


async def test_a_hold_is_for_all_dishes_or_none_and_says_what_is_left(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=3, pie=1)
    request = c.HoldStock(
        restaurant_id=restaurant_id,
        order_id=kitchen.order_for(restaurant_id),
        lines=[c.HoldLine(item_id="cake", quantity=1), c.HoldLine(item_id="pie", quantity=2)],
        expires_in_ms=1000,
    )
    with pytest.raises(Refusal) as refused:
        await kitchen.service.hold(kitchen.context(), request)
    assert refused.value.details == {"items": [{"item_id": "pie", "left": 1, "wanted": 2}]}
    assert await kitchen.levels(restaurant_id) == {"cake": (3, 0), "pie": (1, 0)}


async def test_a_hold_ends_by_itself_at_its_moment(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=1)
    first, second = kitchen.order_for(restaurant_id), kitchen.order_for(restaurant_id)
    assert await kitchen.hold(restaurant_id, first, ("cake", 1)) == "ok"
    kitchen.clock.advance(HOLD_S - 0.001)
    assert await kitchen.hold(restaurant_id, second, ("cake", 1)) == "out_of_stock"
    kitchen.clock.advance(0.001)
    assert await kitchen.levels(restaurant_id) == {"cake": (1, 0)}
    assert await kitchen.hold(restaurant_id, second, ("cake", 1)) == "ok"
    assert await kitchen.sell(first) == "hold_expired"
    assert await kitchen.sell(second) == "ok"


async def test_a_hold_that_ran_out_is_sold_if_its_portions_are_still_there(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=1)
    order = kitchen.order_for(restaurant_id)
    await kitchen.hold(restaurant_id, order, ("cake", 1))
    await kitchen.pass_hold()
    assert await kitchen.sell(order) == "ok"
    assert await kitchen.levels(restaurant_id) == {"cake": (0, 0)}


async def test_an_order_that_fell_before_its_hold_arrived_never_holds(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=1)
    order = kitchen.order_for(restaurant_id)
    assert await kitchen.release(order) == "ok"
    assert await kitchen.hold(restaurant_id, order, ("cake", 1)) == "hold_expired"
    assert await kitchen.sell(order) == "hold_expired"
    assert await kitchen.levels(restaurant_id) == {"cake": (1, 0)}


async def test_hold_sell_and_release_of_one_order_at_once_end_with_nothing_held(
    kitchen: Kitchen, other_kitchen: Kitchen
):
    restaurant_id = await kitchen.open_with_stock(cake=5)
    for _ in range(30):
        order = kitchen.order_for(restaurant_id)
        await asyncio.gather(
            kitchen.hold(restaurant_id, order, ("cake", 5)),
            other_kitchen.release(order),
            other_kitchen.sell(order),
            kitchen.release(order),
        )
        assert await kitchen.levels(restaurant_id) == {"cake": (5, 0)}
    assert await kitchen.audit(restaurant_id) == []


async def test_portions_come_and_go_but_not_those_that_are_promised(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=5)
    await kitchen.hold(restaurant_id, kitchen.order_for(restaurant_id), ("cake", 3))
    assert (await kitchen.add_stock(restaurant_id, "cake", -2)).items == [
        c.StockLevel(item_id="cake", on_hand=3, held=3)
    ]
    assert await said(kitchen.add_stock(restaurant_id, "cake", -1)) == "out_of_stock"
    assert await kitchen.levels(restaurant_id) == {"cake": (3, 3)}
    assert await kitchen.audit(restaurant_id) == []


async def test_portions_added_at_the_same_time_all_count(kitchen: Kitchen, other_kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=0)
    await asyncio.gather(
        *(each.add_stock(restaurant_id, "cake", 1) for each in (kitchen, other_kitchen) * 10)
    )
    assert await kitchen.levels(restaurant_id) == {"cake": (20, 0)}


async def test_portions_added_under_one_key_are_added_once(kitchen: Kitchen, other_kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=0, pie=0)
    answers = await asyncio.gather(
        *(said(each.add_stock(restaurant_id, "cake", 5, "monday")) for each in (kitchen, other_kitchen) * 10)
    )
    assert answers == ["ok"] * 20
    assert (await kitchen.levels(restaurant_id))["cake"] == (5, 0)
    for item_id, quantity in (("cake", 6), ("pie", 5), ("cake", -5)):
        again = said(kitchen.add_stock(restaurant_id, item_id, quantity, "monday"))
        assert await again == "idempotency_key_reused"
    await kitchen.add_stock(await kitchen.open_with_stock(cake=0), "cake", 1, "monday")
    assert await kitchen.levels(restaurant_id) == {"cake": (5, 0), "pie": (0, 0)}
    assert await kitchen.audit(restaurant_id) == []


async def test_a_refused_delivery_may_come_again_under_its_key(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=1)
    assert await said(kitchen.add_stock(restaurant_id, "cake", -2, "waste")) == "out_of_stock"
    await kitchen.add_stock(restaurant_id, "cake", 1)
    assert await said(kitchen.add_stock(restaurant_id, "cake", -2, "waste")) == "ok"
    assert await kitchen.levels(restaurant_id) == {"cake": (0, 0)}


async def test_a_daily_dish_is_filled_up_at_the_first_hold_of_a_local_day(
    kitchen: Kitchen, other_kitchen: Kitchen
):
    """The clock stands at 07:00 in Bogota."""
    restaurant_id = await kitchen.open([item("cake", limited=True, daily_portions=3)])
    assert await kitchen.levels(restaurant_id) == {"cake": (3, 0)}
    first = kitchen.order_for(restaurant_id)
    orders = [first, *(kitchen.order_for(restaurant_id) for _ in range(9))]
    answers = await asyncio.gather(
        *(
            (kitchen, other_kitchen)[place % 2].hold(restaurant_id, order, ("cake", 1))
            for place, order in enumerate(orders)
        )
    )
    assert sorted(answers) == ["ok"] * 3 + ["out_of_stock"] * 7
    held = [order for order, answer in zip(orders, answers, strict=True) if answer == "ok"]
    assert await kitchen.sell(held[0]) == "ok"
    kitchen.clock.advance(17 * 3600 - 1)  # a second before midnight there, and the other holds have run out
    assert await kitchen.levels(restaurant_id) == {"cake": (2, 0)}
    late = kitchen.order_for(restaurant_id)
    assert await kitchen.hold(restaurant_id, late, ("cake", 1)) == "ok"
    assert await kitchen.levels(restaurant_id) == {"cake": (2, 1)}
    kitchen.clock.advance(1)
    assert await kitchen.levels(restaurant_id) == {"cake": (4, 1)}  # three to sell, and one that is promised
    assert await kitchen.hold(restaurant_id, kitchen.order_for(restaurant_id), ("cake", 4)) == "out_of_stock"
    assert await kitchen.hold(restaurant_id, kitchen.order_for(restaurant_id), ("cake", 3)) == "ok"
    assert await kitchen.levels(restaurant_id) == {"cake": (4, 4)}
    assert await kitchen.audit(restaurant_id) == []


async def test_only_limited_dishes_on_the_menu_have_stock(kitchen: Kitchen):
    restaurant_id = await kitchen.open([item("soup"), item("cake", limited=True), item("pie", limited=True)])
    assert await said(kitchen.add_stock(restaurant_id, "soup", 1)) == "item_not_limited"
    assert await said(kitchen.add_stock(restaurant_id, "gone", 1)) == "item_not_found"
    await kitchen.add_stock(restaurant_id, "pie", 2)
    assert await kitchen.levels(restaurant_id) == {"cake": (0, 0), "pie": (2, 0)}


async def test_a_dish_taken_off_the_menu_and_put_back_keeps_its_portions(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=4)
    await kitchen.set_menu(restaurant_id, [])
    assert await kitchen.levels(restaurant_id) == {}
    await kitchen.set_menu(restaurant_id, [item("cake", limited=True)])
    assert await kitchen.levels(restaurant_id) == {"cake": (4, 0)}


async def test_restaurants_do_not_share_portions_of_dishes_of_one_name(kitchen: Kitchen):
    here, there = await kitchen.open_with_stock(cake=1), await kitchen.open_with_stock(cake=1)
    await kitchen.hold(here, kitchen.order_for(here), ("cake", 1))
    assert await kitchen.levels(there) == {"cake": (1, 0)}
    assert await kitchen.hold(there, kitchen.order_for(there), ("cake", 1)) == "ok"


async def test_work_whose_caller_has_stopped_waiting_is_not_done(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=1)
    late = new_context("system", "test", kitchen.clock(), timeout_ms=0)
    request = c.HoldStock(
        restaurant_id=restaurant_id,
        order_id=kitchen.order_for(restaurant_id),
        lines=[c.HoldLine(item_id="cake", quantity=1)],
        expires_in_ms=1000,
    )
    with pytest.raises(Unavailable):
        await kitchen.service.hold(late, request)
    assert await kitchen.levels(restaurant_id) == {"cake": (1, 0)}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE restaurants.stock SET on_hand = on_hand + 1 WHERE {}",
        "UPDATE restaurants.stock SET received = received + 1 WHERE {}",
        "UPDATE restaurants.holds SET quantity = 2 WHERE {} AND state = 'sold'",
        "UPDATE restaurants.holds SET state = 'released' WHERE {} AND state = 'sold'",
        "DELETE FROM restaurants.stock WHERE {}",
    ],
)
async def test_the_audit_finds_stock_that_does_not_add_up(kitchen: Kitchen, damage: str):
    restaurant_id = await kitchen.open_with_stock(cake=5)
    order = kitchen.order_for(restaurant_id)
    await kitchen.hold(restaurant_id, order, ("cake", 1))
    await kitchen.sell(order)
    await kitchen.hold(restaurant_id, kitchen.order_for(restaurant_id), ("cake", 1))
    assert await kitchen.audit(restaurant_id) == []
    shard = shard_of(restaurant_id)
    await kitchen.router.node("restaurant", shard).execute(
        damage.format("shard = $1 AND restaurant_id = $2"), shard, restaurant_id
    )
    assert await kitchen.audit(restaurant_id) == [(restaurant_id, "cake")]


async def test_housekeeping_forgets_what_no_longer_counts_and_nothing_else(kitchen: Kitchen):
    restaurant_id = await kitchen.open_with_stock(cake=9)
    sold, released, ran_out, live = (kitchen.order_for(restaurant_id) for _ in range(4))
    for order in (sold, released, ran_out):
        await kitchen.hold(restaurant_id, order, ("cake", 1))
    await kitchen.sell(sold)
    await kitchen.release(released)
    await kitchen.pass_hold()
    await kitchen.hold(restaurant_id, live, ("cake", 1))
    await kitchen.stock.forget_before(kitchen.clock() + timedelta(seconds=1))
    shard = shard_of(restaurant_id)
    rows = await kitchen.router.node("restaurant", shard).fetch(
        "SELECT order_id::text FROM restaurants.holds WHERE shard = $1 AND restaurant_id = $2",
        shard,
        restaurant_id,
    )
    assert {row["order_id"] for row in rows} == {sold, live}
    assert await kitchen.levels(restaurant_id) == {"cake": (8, 1)}
    assert await kitchen.audit(restaurant_id) == []


async def sold_portions(kitchen: Kitchen, restaurant_id: str) -> int:
    shard = shard_of(restaurant_id)
    (row,) = await kitchen.router.node("restaurant", shard).fetch(
        "SELECT sum(quantity) AS sold FROM restaurants.holds"
        " WHERE shard = $1 AND restaurant_id = $2 AND state = 'sold'",
        shard,
        restaurant_id,
    )
    return row["sold"]
