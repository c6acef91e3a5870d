"""A made-up town: its cities, restaurants with menus, customers with addresses. Each is drawn from its id."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from random import Random
from typing import Any, NamedTuple

from tiffin.rpc import contracts as c

SPECIAL_SHARE = 0.3
"""So many restaurants have a dish of the day, of which there are only a few portions."""

SPECIAL_PORTIONS = (2, 12)
SPECIAL_ID = "dish-of-the-day"
FEE, MINIMUM = 250, 400
"""Delivery fee and smallest basket, hundredths of a euro."""

ALWAYS_OPEN = [c.OpeningHours(weekday=day, opens="00:00", closes="24:00") for day in range(7)]


class Point(NamedTuple):
    latitude: float
    longitude: float


class City(NamedTuple):
    name: str
    currency: str
    time_zone: str
    place: Point
    share: float
    """Of the demo day's orders."""


@dataclass(frozen=True, slots=True)
class Menu:
    """What a restaurant sells, and how many portions of its limited dishes it starts a day with."""

    currency: str
    items: list[c.MenuItem]
    portions: Mapping[str, int]


_data: dict[str, Any] = tomllib.loads(
    files("tiffin.data").joinpath("catalogue.toml").read_text(encoding="utf-8")
)
CITIES = [
    City(city["name"], city["currency"], city["time_zone"], Point(*city["place"]), city["share"])
    for city in _data["cities"]
]
_CITY = {city.name: city for city in CITIES}
_ELSEWHERE = _CITY["bogota"]
"""Days of real orders come from other cities of the same country."""


def near(centre: Point, name: str) -> Point:
    """A place of this name's own, within some five kilometres of the centre."""
    rng = Random(f"place {name}")  # noqa: S311
    return Point(
        round(centre.latitude + rng.uniform(-0.045, 0.045), 6),
        round(centre.longitude + rng.uniform(-0.045, 0.045), 6),
    )


def restaurant(restaurant_id: str, city: str, place: Point) -> c.CreateRestaurant:
    """The restaurant of this id, open at all hours."""
    rng, cuisine = _kitchen(restaurant_id)
    home = _CITY.get(city, _ELSEWHERE)
    number = restaurant_id.rpartition("-")[2]
    return c.CreateRestaurant(
        id=restaurant_id,
        name=f"{rng.choice(cuisine['restaurants'])} {number}",
        currency=home.currency,
        time_zone=home.time_zone,
        place=c.Place(latitude=place.latitude, longitude=place.longitude),
        delivery_fee=_price(FEE, 1.0, home.currency),
        minimum_subtotal=_price(MINIMUM, 1.0, home.currency),
        hours=ALWAYS_OPEN,
    )


def menu(restaurant_id: str, city: str) -> Menu:
    """The menu of this id's restaurant: most dishes of its cuisine, dearer or cheaper than elsewhere."""
    rng, cuisine = _kitchen(restaurant_id)
    currency = _CITY.get(city, _ELSEWHERE).currency
    level = rng.uniform(0.8, 1.25)
    dishes = [dish for dish in cuisine["dishes"] if rng.random() < 0.85] or cuisine["dishes"]
    items = [_item(dish, cuisine["options"], level, currency) for dish in dishes]
    portions: dict[str, int] = {}
    if rng.random() < SPECIAL_SHARE:
        _, name, price, description = rng.choice(cuisine["dishes"])
        items.append(
            c.MenuItem(
                id=SPECIAL_ID, name=f"Dish of the day: {name}", price=_price(price, level * 0.8, currency),
                category="Today", description=description, limited=True,
            )
        )  # fmt: skip
        portions[SPECIAL_ID] = rng.randint(*SPECIAL_PORTIONS)
    return Menu(currency, items, portions)


def customer(customer_id: str, city: str, place: Point) -> c.CreateCustomer:
    """The customer of this id, who lives at `place`."""
    rng = Random(f"customer {customer_id}")  # noqa: S311
    people = _data["people"]
    address = c.Address(
        id="home",
        label="Home",
        street=f"{rng.choice(_data['streets'])} {rng.randint(1, 180)}",
        city=city.capitalize(),
        place=c.Place(latitude=place.latitude, longitude=place.longitude),
    )
    name = f"{rng.choice(people['given'])} {rng.choice(people['family'])}"
    return c.CreateCustomer(
        id=customer_id, name=name, phone=f"+57 300 {rng.randrange(10**7):07}", addresses=[address]
    )


def _kitchen(restaurant_id: str) -> tuple[Random, dict[str, Any]]:
    rng = Random(f"restaurant {restaurant_id}")  # noqa: S311
    return rng, rng.choice(_data["cuisines"])


def _item(dish: list[Any], options: Mapping[str, list[Any]], level: float, currency: str) -> c.MenuItem:
    category, name, price, description = dish
    choices = [
        c.OptionChoice(id=_slug(extra), name=extra, price=_price(cost, level, currency))
        for extra, cost in options.get(category, ())
    ]
    return c.MenuItem(
        id=_slug(name), name=name, price=_price(price, level, currency), category=category,
        description=description, options=choices or None,
    )  # fmt: skip


def _price(reference: int, level: float, currency: str) -> int:
    scale = _data["currencies"][currency]
    return round(reference * level * scale["rate"] / scale["step"]) * scale["step"]


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
