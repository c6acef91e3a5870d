"""Menus: which are possible, and what a price is looked up in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from tiffin.primitives.clock import from_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants import choices
from tiffin.services.restaurants.choices import Choices, make_choices
from tiffin.services.restaurants.delivery import Terms, make_terms
from tiffin.services.restaurants.hours import Schedule
from tiffin.services.restaurants.week import Week, week_of

MENU_BYTES_MAX = 1_000_000
"""Of a menu's JSON: it is kept whole in memory while baskets are priced by it."""


class Card(msgspec.Struct, omit_defaults=True):
    """A menu as it is stored, imported and exported as JSON."""

    items: list[c.MenuItem] = []
    categories: list[c.MenuCategory] = []


class Dish(NamedTuple):
    """What a price needs to know of a dish."""

    name: str
    price: int
    """Minor units."""
    available: bool
    limited: bool
    choices: Choices
    windows: Sequence[Week]
    """The dish is to be had when all of these say so."""
    preparation_minutes: int
    daily_portions: int
    """0: nobody fills it up."""


class PriceList(NamedTuple):
    """Everything a basket is priced by."""

    restaurant_id: str
    currency: str
    minimum_subtotal: int
    is_live: bool
    accepting_orders: bool
    paused_until: datetime | None
    preparation_minutes: int
    busy_minutes: int
    busy_until: datetime | None
    schedule: Schedule
    terms: Terms
    menu_version: int
    dishes: Mapping[str, Dish]


class Problem(NamedTuple):
    """Why a dish (or, without an id, a category) cannot be on the menu."""

    item_id: str | None
    place: int
    """In its list, from 0."""
    field: str
    reason: str


def make_price_list(restaurant: c.Restaurant, card: Card) -> PriceList:
    """The price list of a checked restaurant and a checked menu."""
    busy = restaurant.busy
    of_category = {each.name: week_of(each.windows) for each in card.categories if each.windows}
    return PriceList(
        restaurant_id=restaurant.id,
        currency=restaurant.currency,
        minimum_subtotal=restaurant.minimum_subtotal,
        is_live=restaurant.status == "live",
        accepting_orders=restaurant.accepting_orders,
        paused_until=from_text(restaurant.paused_until) if restaurant.paused_until else None,
        preparation_minutes=restaurant.preparation_minutes,
        busy_minutes=busy.added_minutes if busy else 0,
        busy_until=from_text(busy.ends_at) if busy else None,
        schedule=Schedule(restaurant.hours, restaurant.time_zone, restaurant.special_days or ()),
        terms=make_terms(restaurant),
        menu_version=restaurant.menu_version,
        dishes={item.id: _make_dish(item, of_category) for item in card.items},
    )


def tidied(items: Iterable[c.MenuItem], categories: Iterable[c.MenuCategory] | None) -> Card:
    """The menu with everything that has a default said in one way: menus that mean the same are the same."""
    return Card(
        [
            msgspec.structs.replace(
                item, available=item.available is not False, limited=item.limited is True,
                options=[_tidied_option(option) for option in item.options or ()] or None,
                option_groups=[
                    msgspec.structs.replace(group, choose_min=group.choose_min or 0)
                    for group in item.option_groups or ()
                ] or None,
                windows=_tidied(item.windows),
            )
            for item in items
        ],
        [msgspec.structs.replace(each, windows=_tidied(each.windows)) for each in categories or ()],
    )  # fmt: skip


def check_menu(card: Card) -> None:
    """Refuse a menu in which an id names two things, a rule cannot be kept, or that is too long."""
    for problem in problems(card):
        where = {"item_id": problem.item_id} if problem.item_id is not None else {}
        raise Refusal(
            "invalid_menu", problem.reason, {**where, "field": problem.field, "place": problem.place}
        )
    size = len(msgspec.json.encode(card))
    if size > MENU_BYTES_MAX:
        raise Refusal(
            "request_too_large", f"a menu takes at most {MENU_BYTES_MAX} bytes of JSON",
            {"bytes": size, "bytes_max": MENU_BYTES_MAX},
        )  # fmt: skip


def problems(card: Card) -> Iterator[Problem]:
    """Everything about a menu that makes no sense."""
    names: set[str] = set()
    for place, category in enumerate(card.categories):
        if category.name in names:
            yield Problem(None, place, "name", f"two categories have the name {category.name!r}"[:200])
        names.add(category.name)
        for reason in _window_problems(category.windows):
            yield Problem(None, place, "windows", reason)
    ids: set[str] = set()
    for place, item in enumerate(card.items):
        if item.id in ids:
            yield Problem(item.id, place, "id", f"two dishes have the id {item.id}")
        ids.add(item.id)
        if card.categories and item.category is not None and item.category not in names:
            yield Problem(item.id, place, "category", f"there is no category {item.category!r}"[:200])
        if item.daily_portions and not item.limited:
            yield Problem(item.id, place, "daily_portions", "only a limited dish has portions")
        for reason in _window_problems(item.windows):
            yield Problem(item.id, place, "windows", reason)
        for field, reason in choices.problems(item):
            yield Problem(item.id, place, field, reason)


def _window_problems(windows: Sequence[c.AvailabilityWindow] | None) -> Iterator[str]:
    for window in windows or ():
        days = window.weekdays or []
        if any(not 0 <= day <= 6 for day in days) or len(set(days)) < len(days):
            yield "weekdays are 0 to 6, each once"
        if window.starts == window.ends:
            yield "starts and ends at the same time; all day is 00:00 to 24:00"


def _make_dish(item: c.MenuItem, of_category: Mapping[str, Week]) -> Dish:
    weeks = (of_category.get(item.category or ""), week_of(item.windows) if item.windows else None)
    return Dish(
        item.name, item.price, item.available is not False, item.limited is True, make_choices(item),
        tuple(week for week in weeks if week is not None), item.preparation_minutes or 0,
        item.daily_portions or 0,
    )  # fmt: skip


def _tidied_option(option: c.OptionChoice) -> c.OptionChoice:
    return msgspec.structs.replace(
        option, quantity_max=option.quantity_max or 1, available=option.available is not False
    )


def _tidied(windows: Sequence[c.AvailabilityWindow] | None) -> list[c.AvailabilityWindow] | None:
    """Weekdays in order; all seven, or none, are every day."""
    return [
        msgspec.structs.replace(
            window,
            weekdays=sorted(window.weekdays) if window.weekdays and len(set(window.weekdays)) < 7 else None,
        )
        for window in windows or ()
    ] or None
