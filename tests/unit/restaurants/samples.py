"""Restaurants, menus and baskets to test with."""

from collections.abc import Sequence

from tiffin.rpc import contracts as c
from tiffin.services.restaurants.menu import Card, PriceList, make_price_list


def hours(weekdays: Sequence[int], opens: str, closes: str) -> list[c.OpeningHours]:
    return [c.OpeningHours(weekday=day, opens=opens, closes=closes) for day in weekdays]


ALWAYS = hours(range(7), "00:00", "24:00")


def item(id_: str, price: int = 1000, **changes: object) -> c.MenuItem:
    return c.MenuItem(**{"id": id_, "name": id_.title(), "price": price, **changes})  # pyright: ignore


def option(id_: str, price: int = 0, group: str | None = None, **changes: object) -> c.OptionChoice:
    fields = {"id": id_, "name": id_.title(), "price": price, "group": group, **changes}
    return c.OptionChoice(**fields)  # pyright: ignore


def group(id_: str, choose_min: int, choose_max: int) -> c.OptionGroup:
    return c.OptionGroup(id=id_, name=id_.title(), choose_min=choose_min, choose_max=choose_max)


def window(starts: str, ends: str, *weekdays: int) -> c.AvailabilityWindow:
    return c.AvailabilityWindow(weekdays=list(weekdays) or None, starts=starts, ends=ends)


def place(latitude: float, longitude: float) -> c.Place:
    return c.Place(latitude=latitude, longitude=longitude)


MENU = [
    item("soup", 800),
    item("stew", 1500, options=[option("rice", 200), option("egg", 150)]),
    item("cake", 600, limited=True, options=[option("cream", 0)]),
    item("fish", 2500, available=False),
]


def restaurant(**changes: object) -> c.Restaurant:
    fields: dict[str, object] = {
        "id": "r", "name": "La Olla", "currency": "COP", "time_zone": "America/Bogota",
        "place": c.Place(latitude=4.6, longitude=-74.1), "delivery_fee": 300, "minimum_subtotal": 0,
        "hours": ALWAYS, "accepting_orders": True, "menu_version": 3, "status": "live",
        "preparation_minutes": 20,
    }  # fmt: skip
    return c.Restaurant(**{**fields, **changes})  # pyright: ignore


def prices(
    menu: Sequence[c.MenuItem] = MENU, categories: Sequence[c.MenuCategory] = (), **changes: object
) -> PriceList:
    return make_price_list(restaurant(**changes), Card(list(menu), list(categories)))


def line(item_id: str, quantity: int = 1, *options: str) -> c.BasketLine:
    return c.BasketLine(item_id=item_id, quantity=quantity, options=list(options) or None)
