"""What a basket costs. Whole minor units throughout; nothing is rounded."""

from collections.abc import Sequence
from datetime import datetime

from tiffin.primitives.clock import from_text, to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.choices import price_choice
from tiffin.services.restaurants.delivery import Way, way_to
from tiffin.services.restaurants.menu import Dish, PriceList

LINES_MAX = 100
QUANTITY_MAX = 99
TOTAL_MAX = 10**12
"""Minor units: the most that the contract's `Money` carries."""


def price_basket(
    prices: PriceList, lines: Sequence[c.BasketLine], at: datetime, drop_off: c.Place | None = None
) -> c.PricedBasket:
    """Price a basket for a moment and, if it is known, a place to bring it to.

    Refuses what cannot be had there and then, and says why in the details.
    """
    wall = at.astimezone(prices.schedule.zone)
    _check_open(prices, at, wall)
    if not 0 < len(lines) <= LINES_MAX:
        raise Refusal("invalid_request", f"a basket has 1 to {LINES_MAX} lines", {"lines_max": LINES_MAX})
    terms = prices.terms
    way = Way(terms.fee) if drop_off is None else way_to(terms, drop_off)
    priced: list[c.PricedLine] = []
    limited: dict[str, None] = {}
    subtotal, preparation = 0, prices.preparation_minutes
    for line in lines:
        dish = _dish(prices, line, wall)
        priced_line = _price_line(dish, line)
        priced.append(priced_line)
        subtotal += priced_line.total
        if dish.limited:
            limited[line.item_id] = None
        preparation = max(preparation, dish.preparation_minutes)
    if subtotal < prices.minimum_subtotal:
        raise Refusal(
            "below_minimum", "the basket is below the restaurant's minimum",
            {"minimum_subtotal": prices.minimum_subtotal, "subtotal": subtotal, "currency": prices.currency},
        )  # fmt: skip
    small_order_fee = terms.small_fee if subtotal < terms.small_below else 0
    total = subtotal + way.fee + small_order_fee
    if total > TOTAL_MAX:
        raise Refusal("request_too_large", "no order may cost that much", {"total_max": TOTAL_MAX})
    if prices.busy_until is not None and at < prices.busy_until:
        preparation += prices.busy_minutes
    return c.PricedBasket(
        restaurant_id=prices.restaurant_id,
        currency=prices.currency,
        lines=priced,
        subtotal=subtotal,
        delivery_fee=way.fee,
        total=total,
        limited_items=list(limited),
        menu_version=prices.menu_version,
        preparation_minutes=preparation,
        small_order_fee=small_order_fee,
        distance_m=way.distance_m,
        travel_minutes=way.minutes,
    )


def is_open(prices: PriceList, at: datetime) -> bool:
    """Whether the restaurant takes orders for a moment."""
    return _why_closed(prices, at, at.astimezone(prices.schedule.zone)) is None


def parse_moment(text: str) -> datetime:
    """The moment a basket is priced for. Refused if it is none, or too far off for a calendar."""
    try:
        moment = from_text(text)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or not 1970 <= moment.year <= 9000:
        raise Refusal("invalid_time", "not a moment in RFC 3339", {"at": text[:40]})
    return moment


def _dish(prices: PriceList, line: c.BasketLine, wall: datetime) -> Dish:
    """The dish of a line. Refused if it is not to be had by this reading of the clock on the wall."""
    dish = prices.dishes.get(line.item_id)
    if dish is None:
        raise Refusal("item_not_found", "no such dish on this menu", {"item_id": line.item_id})
    if not dish.available:
        raise Refusal("item_unavailable", "this dish is off sale", {"item_id": line.item_id})
    for week in dish.windows:
        if not week.covers(wall):
            raise Refusal(
                "item_unavailable", "this dish is not to be had at that hour",
                {"item_id": line.item_id, "local_time": wall.strftime("%H:%M"), "weekday": wall.weekday()},
            )  # fmt: skip
    return dish


def _price_line(dish: Dish, line: c.BasketLine) -> c.PricedLine:
    if not 0 < line.quantity <= QUANTITY_MAX:
        raise Refusal(
            "invalid_request", f"1 to {QUANTITY_MAX} portions a line",
            {"item_id": line.item_id, "quantity_max": QUANTITY_MAX},
        )  # fmt: skip
    unit_price, names = dish.price, None
    if line.options or dish.choices.must_choose:
        extra, names = price_choice(dish.choices, line.item_id, line.options or ())
        unit_price += extra
    return c.PricedLine(
        item_id=line.item_id, name=dish.name, quantity=line.quantity,
        unit_price=unit_price, total=unit_price * line.quantity, options=names,
    )  # fmt: skip


def _check_open(prices: PriceList, at: datetime, wall: datetime) -> None:
    """Refuses, and says when it opens next, unless it has stopped taking orders for as long as it likes."""
    why = _why_closed(prices, at, wall)
    if why is None:
        return
    details: dict[str, object] = {"restaurant_id": prices.restaurant_id, "at": to_text(at)}
    if prices.is_live and prices.accepting_orders:
        free = max(at, prices.paused_until or at)
        opening = free if prices.schedule.is_open(free) else prices.schedule.next_opening(free)
        if opening is not None:
            details["opens_at"] = to_text(opening)
    raise Refusal("restaurant_closed", why, details)


def _why_closed(prices: PriceList, at: datetime, wall: datetime) -> str | None:
    if not prices.is_live:
        return "the restaurant is not open for business"
    if not prices.accepting_orders:
        return "the restaurant takes no orders for now"
    if prices.paused_until is not None and at < prices.paused_until:
        return "the restaurant takes no orders for a while"
    if not prices.schedule.is_open_on(wall):
        return "the restaurant is closed then"
    return None
