"""A day of orders: who orders from where, when, and what becomes of it. Drawn, and the same each time."""

import csv
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import accumulate
from random import Random
from typing import NamedTuple

from tiffin.load.catalogue import CITIES, Point, near
from tiffin.load.fates import ENDINGS, PAYMENTS, Ending, Payment, draw
from tiffin.load.troubles import TROUBLES, Trouble

SCHEDULED_SHARE = 0.2
"""About one order in five is for later."""

ORDERS_PER_RESTAURANT = 8
RESTAURANT_SPREAD = 1.17
"""Of the log-normal law of a restaurant's orders a day: median 4, p99 some 60, the top 1 % take 10 %."""

CUSTOMER_ORDERS = ((1, 0.51), (2, 0.21), (4, 0.16), (8, 0.12))
"""Orders a customer a month, and the share of customers who order so often."""

PREPARE_MINUTES = (20.0, 0.42)
TRAVEL_MINUTES = (23.0, 0.38)
"""Median and spread of log-normal laws: p50, p95 and p99 as in the published days."""


class Timing(NamedTuple):
    """Seconds of the order's day that each of its steps takes."""

    accept_s: float
    prepare_s: float
    travel_s: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """An order as it will come: the driver carries it, the platform knows nothing of it yet."""

    id: str
    """Names the order within its day; everything drawn for it is drawn from this."""
    at_s: float
    """Seconds from local midnight."""
    city: str
    restaurant_id: str
    pick_up: Point
    customer_id: str
    drop_off: Point
    timing: Timing
    wanted_at_s: float | None
    """When a scheduled order should arrive, seconds from local midnight; None: as soon as possible."""
    payment: Payment
    ending: Ending
    trouble: Trouble | None = None


def draw_fate(order: str) -> tuple[Payment, Ending, Trouble | None]:
    """What becomes of the order of this name."""
    rng = Random(f"fate {order}")  # noqa: S311 - a day must be the same each time
    payment, ending = draw(PAYMENTS, rng), draw(ENDINGS, rng)
    limits = list(accumulate(trouble.share for trouble in TROUBLES))
    place = bisect_right(limits, rng.random())
    trouble = TROUBLES[place] if place < len(TROUBLES) else None
    if trouble is None or not _suits(trouble, payment, ending):
        return payment, ending, None
    return trouble.payment or payment, ending, trouble


def with_every_trouble(day: Sequence[Arrival]) -> list[Arrival]:
    """The same day, in which each trouble there is happens to somebody: a small day is to show them all."""
    missing = [trouble for trouble in TROUBLES if all(each.trouble != trouble for each in day)]
    untroubled = [place for place, each in enumerate(day) if each.trouble is None]
    untroubled.sort(key=lambda place: Random(f"trouble {day[place].id}").random())  # noqa: S311
    told = list(day)
    for trouble in missing:
        found = next((at for at in untroubled if _suits(trouble, day[at].payment, day[at].ending)), None)
        if found is not None:
            untroubled.remove(found)
            told[found] = replace(day[found], trouble=trouble, payment=trouble.payment or day[found].payment)
    return told


def _suits(trouble: Trouble, payment: Payment, ending: Ending) -> bool:
    """Whether it can happen to such an order, which must not end otherwise."""
    goes_all_the_way = ending.end in ("confirmed", "left") and not payment.never
    return goes_all_the_way and (payment.method == "online" or not trouble.is_online)


def travel_s(rng: Random) -> float:
    """Seconds from the restaurant to the door."""
    return 60 * _around(TRAVEL_MINUTES, rng)


def arrival_curve() -> list[tuple[int, float]]:
    """Minute of the day and the share of the day's orders in the five minutes that begin there."""
    with files("tiffin.data").joinpath("arrivals.csv").open(encoding="utf-8") as lines:
        return [(int(row["minute_of_day"]), float(row["share_of_day"])) for row in csv.DictReader(lines)]


def demo_day(orders: int = 2000, seed: int = 1) -> list[Arrival]:
    """A day of `orders` orders that follows the published arrival curve, in order of time."""
    rng = Random(f"day {seed}")  # noqa: S311
    curve = arrival_curve()
    starts = rng.choices([minute for minute, _ in curve], [share for _, share in curve], k=orders)
    moments = sorted(60 * start + rng.uniform(0, 300) for start in starts)
    cities = rng.choices(CITIES, [city.share for city in CITIES], k=orders)
    restaurants = {city.name: _Crowd.of_restaurants(city.name, orders, rng) for city in CITIES}
    customers = {city.name: _Crowd.of_customers(city.name, orders, rng) for city in CITIES}
    day: list[Arrival] = []
    for number, (at_s, city) in enumerate(zip(moments, cities, strict=True), start=1):
        name = f"demo-{seed}-{number}"
        restaurant, customer = restaurants[city.name].pick(rng), customers[city.name].pick(rng)
        payment, ending, trouble = draw_fate(name)
        timing = Timing(rng.uniform(20, 120), 60 * _around(PREPARE_MINUTES, rng), travel_s(rng))
        wanted = _quarter_after(at_s + rng.uniform(2700, 10800)) if rng.random() < SCHEDULED_SHARE else None
        day.append(
            Arrival(
                name, at_s, city.name, restaurant, near(city.place, restaurant), customer,
                near(city.place, customer), timing, wanted, payment, ending, trouble,
            )
        )  # fmt: skip
    return day


def select(day: Iterable[Arrival], city: str | None = None, limit: int | None = None) -> list[Arrival]:
    """The orders of one city, and of these the first `limit`."""
    chosen = [arrival for arrival in day if city is None or arrival.city == city]
    return chosen[:limit]


def busiest_second(day: Iterable[Arrival]) -> tuple[str, int, int]:
    """City, second of the day, and orders of the fullest second any one city sees."""
    counts: dict[tuple[str, int], int] = {}
    for arrival in day:
        second = (arrival.city, int(arrival.at_s))
        counts[second] = counts.get(second, 0) + 1
    (city, second), orders = max(counts.items(), key=lambda entry: entry[1], default=(("", 0), 0))
    return city, second, orders


class _Crowd:
    """Those who may take part, each as often as their weight says."""

    def __init__(self, ids: Sequence[str], weights: Iterable[float]) -> None:
        self._ids, self._limits = ids, list(accumulate(weights))

    @classmethod
    def of_restaurants(cls, city: str, orders: int, rng: Random) -> "_Crowd":
        share = next(each.share for each in CITIES if each.name == city)
        ids = [
            f"demo-{city}-{n}" for n in range(1, max(1, round(orders * share / ORDERS_PER_RESTAURANT)) + 1)
        ]
        return cls(ids, (rng.lognormvariate(0, RESTAURANT_SPREAD) for _ in ids))

    @classmethod
    def of_customers(cls, city: str, orders: int, rng: Random) -> "_Crowd":
        ids = [f"demo-{city}-c{n}" for n in range(1, orders + 1)]
        often, shares = zip(*CUSTOMER_ORDERS, strict=True)
        return cls(ids, rng.choices(often, shares, k=len(ids)))

    def pick(self, rng: Random) -> str:
        return rng.choices(self._ids, cum_weights=self._limits)[0]


def _around(law: tuple[float, float], rng: Random) -> float:
    median, spread = law
    return median * rng.lognormvariate(0, spread)


def _quarter_after(moment_s: float) -> float:
    return 900.0 * (moment_s // 900 + 1)
