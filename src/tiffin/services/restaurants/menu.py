"""Menus: which are possible, and what a price is looked up in."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.hours import Schedule

MENU_BYTES_MAX = 1_000_000
"""Of a menu's JSON: it is kept whole in memory while baskets are priced by it."""


class Dish(NamedTuple):
    """What a price needs to know of a dish."""

    name: str
    price: int
    """Minor units."""
    available: bool
    limited: bool
    options: Mapping[str, c.OptionChoice]


class PriceList(NamedTuple):
    """Everything a basket is priced by."""

    restaurant_id: str
    currency: str
    delivery_fee: int
    minimum_subtotal: int
    accepting_orders: bool
    schedule: Schedule
    menu_version: int
    dishes: Mapping[str, Dish]


def make_price_list(restaurant: c.Restaurant, menu: Iterable[c.MenuItem]) -> PriceList:
    """The price list of a checked restaurant and a checked menu."""
    return PriceList(
        restaurant_id=restaurant.id,
        currency=restaurant.currency,
        delivery_fee=restaurant.delivery_fee,
        minimum_subtotal=restaurant.minimum_subtotal,
        accepting_orders=restaurant.accepting_orders,
        schedule=Schedule(restaurant.hours, restaurant.time_zone),
        menu_version=restaurant.menu_version,
        dishes={
            item.id: Dish(
                item.name, item.price, item.available is not False, item.limited is True,
                {option.id: option for option in item.options or ()},
            )
            for item in menu
        },
    )  # fmt: skip


def check_menu(items: Sequence[c.MenuItem]) -> None:
    """Refuse a menu in which an id names two things, or that is too long."""
    _check_unique((item.id for item in items), {})
    for item in items:
        _check_unique((option.id for option in item.options or ()), {"item_id": item.id})
    size = len(msgspec.json.encode(items))
    if size > MENU_BYTES_MAX:
        raise Refusal(
            "request_too_large", f"a menu takes at most {MENU_BYTES_MAX} bytes of JSON",
            {"bytes": size, "bytes_max": MENU_BYTES_MAX},
        )  # fmt: skip


def _check_unique(ids: Iterable[str], where: Mapping[str, str]) -> None:
    seen: set[str] = set()
    for id_ in ids:
        if id_ in seen:
            raise Refusal("invalid_menu", "an id names two things", {**where, "repeated_id": id_})
        seen.add(id_)
