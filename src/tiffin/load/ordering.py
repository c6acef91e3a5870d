"""A customer orders: basket, quote, order. Sold out, or dearer than quoted: another try, as people do."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from random import Random

import msgspec

from tiffin.load import catalogue
from tiffin.load.basket import draw_basket, without_limited
from tiffin.load.day import Arrival
from tiffin.load.platform import Refused
from tiffin.load.run import Run, View, text_of
from tiffin.rpc import contracts as c

TRIES_MAX = 3
_SOLD_OUT = frozenset(("out_of_stock", "item_unavailable"))
_ONCE_MORE = frozenset(("price_changed", "invalid_time", "hold_expired"))
"""The price or the time has moved on since the quote: ask for a new one."""


class _Quote(msgspec.Struct):
    total: c.Money


_quote = msgspec.json.Decoder(_Quote).decode


def read_total(quoted: bytes) -> c.Money:
    """What the answer to a quote says the order will cost."""
    return _quote(quoted).total


class NotPlaced(Exception):
    """The platform refused the order for a reason that a customer accepts."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Placed:
    """An order, and the idempotency key it was placed with."""

    key: str
    view: View
    scheduled_for: datetime | None
    total: c.Money


async def place(run: Run, arrival: Arrival, intended: float) -> Placed:
    """Order what this customer wants. `NotPlaced` if it is not to be had, `Refused` if that is a fault."""
    rng = Random(f"basket {arrival.id}")  # noqa: S311
    menu = run.menus[arrival.restaurant_id]
    minimum = catalogue.restaurant(arrival.restaurant_id, arrival.city, arrival.pick_up).minimum_subtotal
    lines = draw_basket(menu, minimum, rng)
    for attempt in range(1, TRIES_MAX + 1):
        try:
            return await _try(run, arrival, lines, f"{run.name}:{arrival.id}:{attempt}", intended)
        except Refused as refused:
            if refused.code not in _SOLD_OUT | _ONCE_MORE:
                raise
            if attempt == TRIES_MAX:
                raise NotPlaced(refused.code) from refused
            if refused.code in _SOLD_OUT:
                lines = without_limited(lines, menu)
    raise AssertionError("unreachable")


async def _try(run: Run, arrival: Arrival, lines: list[c.BasketLine], key: str, intended: float) -> Placed:
    customer = ("customer", arrival.customer_id)
    scheduled_for = run.scheduled_for(arrival)
    basket = {
        "restaurant_id": arrival.restaurant_id, "lines": lines, "scheduled_for": text_of(scheduled_for)
    }  # fmt: skip
    quoted = await run.platform.until_known("quote", customer, "POST", "/v1/quotes", basket, "", intended)
    total = read_total(quoted)
    order = {
        **basket,
        "address_id": "home",
        "payment_method": arrival.payment.method,
        "expected_total": total,
    }
    answer = await run.platform.until_known("place", customer, "POST", "/v1/orders", order, key)
    view = run.acknowledged(key, answer)
    run.tally.placed(asyncio.get_running_loop().time(), intended)
    return Placed(key, view, scheduled_for, total)
