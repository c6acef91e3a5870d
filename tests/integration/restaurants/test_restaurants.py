import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from integration.restaurants.kitchen import Kitchen, said
from manual_clock import ManualClock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role
from tiffin.services.restaurants.records import FRESH_MS
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from unit.restaurants.samples import MENU, hours, item, line


async def test_the_same_registration_again_is_the_same_restaurant_as_it_now_is(kitchen: Kitchen):
    request = kitchen.registration()
    created = await kitchen.service.create(kitchen.context(), request)
    assert (created.accepting_orders, created.menu_version) == (True, 0)
    assert await kitchen.service.create(kitchen.context(), request) == created
    await kitchen.set_menu(created.id, MENU)
    assert (await kitchen.service.create(kitchen.context(), request)).menu_version == 1


async def test_an_id_belongs_to_the_first_who_registers_it(kitchen: Kitchen):
    request = kitchen.registration()
    rival = kitchen.registration(id=request.id, name="El Sartén")
    answers = await asyncio.gather(
        *(said(kitchen.service.create(kitchen.context(), each)) for each in (request, rival))
    )
    assert sorted(answers) == ["id_taken", "ok"]


@pytest.mark.parametrize("role", ["customer", "restaurant", "courier"])
async def test_only_operators_register_restaurants(kitchen: Kitchen, role: Role):
    request = kitchen.registration()
    assert await said(kitchen.service.create(kitchen.context(role, request.id), request)) == "forbidden"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"currency": "ABC"}, "invalid_currency"),
        ({"time_zone": "Mars/Olympus"}, "invalid_time_zone"),
        ({"hours": hours([0], "09:00", "09:00")}, "invalid_request"),
    ],
)
async def test_a_registration_that_makes_no_sense_leaves_nothing(
    kitchen: Kitchen, changes: dict[str, Any], code: str
):
    request = kitchen.registration(**changes)
    assert await said(kitchen.service.create(kitchen.context(), request)) == code
    ref = c.RestaurantRef(restaurant_id=request.id)
    assert await said(kitchen.service.get(kitchen.context(), ref)) == "restaurant_not_found"


async def test_any_text_comes_back_as_it_was(kitchen: Kitchen):
    name = 'Ñandú 🍲 \0 "quoted" \u202e'
    restaurant_id = await kitchen.open([item("soup", description=name)], name=name)
    ref = c.RestaurantRef(restaurant_id=restaurant_id)
    assert (await kitchen.service.get(kitchen.context(), ref)).name == name
    assert (await kitchen.service.get_menu(kitchen.context(), ref)).items[0].description == name


async def test_anothers_restaurant_is_not_there_to_be_changed(kitchen: Kitchen):
    mine = await kitchen.open_with_stock(cake=3)
    theirs = kitchen.context("restaurant", kitchen.new_id("restaurant"))
    service, ref = kitchen.service, c.RestaurantRef(restaurant_id=mine)
    before = await service.get(theirs, ref), await kitchen.levels(mine)
    calls = [
        service.set_hours(theirs, c.SetHours(restaurant_id=mine, hours=[])),
        service.set_accepting(theirs, c.SetAccepting(restaurant_id=mine, accepting_orders=False)),
        service.set_menu(theirs, c.SetMenu(restaurant_id=mine, items=[])),
        service.add_stock(
            theirs, c.AddStock(restaurant_id=mine, item_id="cake", quantity=1, idempotency_key="k")
        ),
        service.get_stock(theirs, ref),
        service.set_hours(kitchen.context("customer", mine), c.SetHours(restaurant_id=mine, hours=[])),
    ]
    assert [await said(call) for call in calls] == ["restaurant_not_found"] * len(calls)
    assert (await service.get(theirs, ref), await kitchen.levels(mine)) == before


async def test_a_restaurant_changes_itself(kitchen: Kitchen):
    mine = await kitchen.open()
    context = kitchen.context("restaurant", mine)
    night = hours([4, 5], "20:00", "04:00")
    await kitchen.service.set_hours(context, c.SetHours(restaurant_id=mine, hours=night))
    await kitchen.service.set_accepting(context, c.SetAccepting(restaurant_id=mine, accepting_orders=False))
    menu = await kitchen.service.set_menu(context, c.SetMenu(restaurant_id=mine, items=MENU))
    changed = await kitchen.service.get(context, c.RestaurantRef(restaurant_id=mine))
    assert (changed.hours, changed.accepting_orders, changed.menu_version) == (night, False, 1)
    assert (menu.items, menu.version, menu.currency) == (MENU, 1, "COP")


async def test_the_menus_version_goes_up_with_every_change_and_not_without_one(kitchen: Kitchen):
    restaurant_id = await kitchen.open()
    versions = [
        (await kitchen.set_menu(restaurant_id, menu)).version for menu in (MENU, MENU, MENU[:1], MENU)
    ]
    assert versions == [1, 1, 2, 3]


async def test_a_refused_menu_leaves_the_old_one(kitchen: Kitchen):
    restaurant_id = await kitchen.open(MENU)
    with pytest.raises(Refusal) as refused:
        await kitchen.set_menu(restaurant_id, [item("soup"), item("soup")])
    assert refused.value.code == "invalid_menu"
    ref = c.RestaurantRef(restaurant_id=restaurant_id)
    assert (await kitchen.service.get_menu(kitchen.context(), ref)).items == MENU


async def test_changes_at_the_same_time_do_not_undo_each_other(kitchen: Kitchen, other_kitchen: Kitchen):
    restaurant_id = await kitchen.open()
    night = hours([4], "20:00", "04:00")
    await asyncio.gather(
        kitchen.service.set_hours(kitchen.context(), c.SetHours(restaurant_id=restaurant_id, hours=night)),
        other_kitchen.service.set_accepting(
            kitchen.context(), c.SetAccepting(restaurant_id=restaurant_id, accepting_orders=False)
        ),
        *(each.set_menu(restaurant_id, [item(name)]) for name in "abc" for each in (kitchen, other_kitchen)),
    )
    kitchen.clock.advance(FRESH_MS / 1000)
    changed = await kitchen.service.get(kitchen.context(), c.RestaurantRef(restaurant_id=restaurant_id))
    assert (changed.hours, changed.accepting_orders) == (night, False)
    assert 3 <= changed.menu_version <= 6


async def test_a_changed_price_counts_at_once_here_and_within_its_bound_elsewhere(
    kitchen: Kitchen, other_kitchen: Kitchen
):
    restaurant_id = await kitchen.open([item("soup", 800)])
    for each in (kitchen, other_kitchen):
        assert (await each.price(restaurant_id, line("soup"))).subtotal == 800
    await kitchen.set_menu(restaurant_id, [item("soup", 900)])
    assert (await kitchen.price(restaurant_id, line("soup"))).subtotal == 900
    kitchen.clock.advance(FRESH_MS / 1000)
    basket = await other_kitchen.price(restaurant_id, line("soup"))
    assert (basket.subtotal, basket.menu_version) == (900, 2)


async def test_a_changed_price_counts_at_once_where_it_is_heard_of(kitchen: Kitchen, other_kitchen: Kitchen):
    restaurant_id = await kitchen.open([item("soup", 800)])
    await other_kitchen.price(restaurant_id, line("soup"))
    await kitchen.set_menu(restaurant_id, [item("soup", 900)])
    other_kitchen.service.forget(restaurant_id)
    assert (await other_kitchen.price(restaurant_id, line("soup"))).subtotal == 900


async def test_an_unchanged_restaurant_is_not_read_and_parsed_again(kitchen: Kitchen):
    restaurant_id = await kitchen.open(MENU)
    ref = c.RestaurantRef(restaurant_id=restaurant_id)
    first = await kitchen.service.get(kitchen.context(), ref)
    kitchen.clock.advance(60)
    assert await kitchen.service.get(kitchen.context(), ref) is first


async def test_a_dish_of_another_restaurant_is_on_no_menu_here(kitchen: Kitchen):
    here = await kitchen.open([item("soup")])
    await kitchen.open([item("stew")])
    with pytest.raises(Refusal) as refused:
        await kitchen.price(here, line("stew"))
    assert refused.value.code == "item_not_found"


async def test_a_restaurant_nobody_registered_prices_nothing(kitchen: Kitchen):
    with pytest.raises(Refusal) as refused:
        await kitchen.price(kitchen.new_id("restaurant"), line("soup"))
    assert refused.value.code == "restaurant_not_found"


async def test_restaurants_of_all_nodes_are_listed_once_and_in_order(
    four_router: Router, clock: ManualClock, new_id: Callable[[str], str]
):
    kitchen = Kitchen(four_router, clock, new_id)
    prefix = new_id("listed")
    registered = [await kitchen.open(id=f"{prefix}-{number:02}") for number in range(25)]
    listed: list[str] = []
    cursor: str | None = prefix
    while cursor is not None and len(listed) < len(registered):
        page = await kitchen.service.list_all(kitchen.context(), c.ListRestaurants(cursor=cursor, limit=10))
        assert len(page.restaurants) <= 10
        listed += [restaurant.id for restaurant in page.restaurants]
        cursor = page.next_cursor
    assert listed[:25] == registered
    homes = {four_router.node("restaurant", shard_of(restaurant_id)).name for restaurant_id in registered}
    assert len(homes) > 1


async def test_the_last_page_has_no_next_one(kitchen: Kitchen):
    end = await kitchen.service.list_all(kitchen.context(), c.ListRestaurants(cursor="zzzz"))
    assert (end.restaurants, end.next_cursor) == ([], None)


@pytest.mark.parametrize("cursor", ["a b", "\0", "'; --", "%"])
async def test_a_cursor_nobody_gave_out_is_refused(kitchen: Kitchen, cursor: str):
    call = kitchen.service.list_all(kitchen.context(), c.ListRestaurants(cursor=cursor))
    assert await said(call) == "invalid_cursor"
