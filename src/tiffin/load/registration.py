"""Before a day can begin: its restaurants with their menus and portions, and its customers, over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import uuid4

import msgspec

from tiffin.load import catalogue
from tiffin.load.catalogue import Menu
from tiffin.load.day import Arrival
from tiffin.load.platform import Platform, Refused
from tiffin.rpc import contracts as c

OPERATOR = ("operator", "load")
AT_ONCE = 48
REPORT_EVERY = 50

Progress = Callable[[str, int, int], None]
"""What is being registered, how many are, and of how many."""


async def register(platform: Platform, day: Sequence[Arrival], progress: Progress) -> dict[str, Menu]:
    """Register everybody the day names, and answer the menus by restaurant. Doing it again changes nothing,
    but that the limited dishes are filled up to what the day begins with."""
    restaurants = {each.restaurant_id: each for each in day}
    customers = {each.customer_id: each for each in day}
    menus = {
        each.restaurant_id: catalogue.menu(each.restaurant_id, each.city) for each in restaurants.values()
    }

    async def open_restaurant(each: Arrival) -> None:
        await _create(
            platform, "/v1/restaurants", catalogue.restaurant(each.restaurant_id, each.city, each.pick_up)
        )
        await _fill(platform, each.restaurant_id, menus[each.restaurant_id])

    async def sign_up(each: Arrival) -> None:
        await _create(
            platform, "/v1/customers", catalogue.customer(each.customer_id, each.city, each.drop_off)
        )

    await _all("restaurants", restaurants.values(), open_restaurant, progress)
    await _all("customers", customers.values(), sign_up, progress)
    return menus


async def _create(platform: Platform, path: str, what: c.CreateRestaurant | c.CreateCustomer) -> None:
    try:
        await platform.until_known("register", OPERATOR, "POST", path, what)
    except Refused as refused:
        if refused.code != "id_taken":  # registered by another day, with another place: as good
            raise


async def _fill(platform: Platform, restaurant_id: str, menu: Menu) -> None:
    path = f"/v1/restaurants/{restaurant_id}"
    await platform.until_known("register", OPERATOR, "PUT", f"{path}/menu", {"items": menu.items})
    for item_id, portions in menu.portions.items():
        await _fill_up(platform, path, item_id, portions)


async def _fill_up(platform: Platform, path: str, item_id: str, portions: int) -> None:
    """Look how many are missing, and say it under one key until it is known to have been heard."""
    answer = await platform.until_known("register", OPERATOR, "GET", f"{path}/stock")
    stock = msgspec.json.decode(answer, type=c.Stock)
    missing = portions - sum(level.on_hand for level in stock.items if level.item_id == item_id)
    if missing > 0:
        added = {"item_id": item_id, "quantity": missing}
        await platform.until_known("register", OPERATOR, "POST", f"{path}/stock", added, uuid4().hex)


async def _all(
    what: str,
    arrivals: Collection[Arrival],
    register_one: Callable[[Arrival], Awaitable[None]],
    progress: Progress,
) -> None:
    waiting, done = iter(arrivals), 0

    async def work() -> None:
        nonlocal done
        for each in waiting:
            await register_one(each)
            done += 1
            if done % REPORT_EVERY == 0 or done == len(arrivals):
                progress(what, done, len(arrivals))

    async with asyncio.TaskGroup() as workers:
        for _ in range(AT_ONCE):
            workers.create_task(work())
