"""What a basket costs. Whole minor units throughout; nothing is rounded."""

from collections.abc import Sequence
from datetime import datetime

from tiffin.primitives.clock import from_text, to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.menu import Dish, PriceList

LINES_MAX = 100
QUANTITY_MAX = 99
TOTAL_MAX = 10**12
"""Minor units: the most that the contract's `Money` carries."""


def price_basket(prices: PriceList, lines: Sequence[c.BasketLine], at: datetime) -> c.PricedBasket:
    """Price a basket for a moment. Refuses what cannot be had there and then, and says why in the details."""
    if not prices.accepting_orders or not prices.schedule.is_open(at):
        raise _closed(prices, at)
    if not 0 < len(lines) <= LINES_MAX:
        raise Refusal("invalid_request", f"a basket has 1 to {LINES_MAX} lines", {"lines_max": LINES_MAX})
    priced = [_price_line(prices, line) for line in lines]
    subtotal = sum(line.total for line in priced)
    total = subtotal + prices.delivery_fee
    if subtotal < prices.minimum_subtotal:
        raise Refusal(
            "below_minimum", "the basket is below the restaurant's minimum",
            {"minimum_subtotal": prices.minimum_subtotal, "subtotal": subtotal, "currency": prices.currency},
        )  # fmt: skip
    if total > TOTAL_MAX:
        raise Refusal("request_too_large", "no order may cost that much", {"total_max": TOTAL_MAX})
    return c.PricedBasket(
        restaurant_id=prices.restaurant_id,
        currency=prices.currency,
        lines=priced,
        subtotal=subtotal,
        delivery_fee=prices.delivery_fee,
        total=total,
        limited_items=list({line.item_id: None for line in lines if prices.dishes[line.item_id].limited}),
        menu_version=prices.menu_version,
    )


def parse_moment(text: str) -> datetime:
    """The moment a basket is priced for. Refused if it is none, or too far off for a calendar."""
    try:
        moment = from_text(text)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or not 1970 <= moment.year <= 9000:
        raise Refusal("invalid_time", "not a moment in RFC 3339", {"at": text[:40]})
    return moment


def _price_line(prices: PriceList, line: c.BasketLine) -> c.PricedLine:
    dish = prices.dishes.get(line.item_id)
    if dish is None:
        raise Refusal("item_not_found", "no such dish on this menu", {"item_id": line.item_id})
    if not dish.available:
        raise Refusal("item_unavailable", "this dish is off sale", {"item_id": line.item_id})
    if not 0 < line.quantity <= QUANTITY_MAX:
        raise Refusal(
            "invalid_request", f"1 to {QUANTITY_MAX} portions a line",
            {"item_id": line.item_id, "quantity_max": QUANTITY_MAX},
        )  # fmt: skip
    extra, names = _price_options(dish, line) if line.options else (0, None)
    unit_price = dish.price + extra
    return c.PricedLine(
        item_id=line.item_id, name=dish.name, quantity=line.quantity,
        unit_price=unit_price, total=unit_price * line.quantity, options=names,
    )  # fmt: skip


def _price_options(dish: Dish, line: c.BasketLine) -> tuple[int, list[str]]:
    """What the chosen options add to a portion, and their names."""
    chosen = line.options or []
    if len(set(chosen)) < len(chosen):
        raise Refusal("invalid_request", "an option is chosen twice", {"item_id": line.item_id})
    for option_id in chosen:
        if option_id not in dish.options:
            raise Refusal(
                "option_not_found", "this dish has no such option",
                {"item_id": line.item_id, "option_id": option_id},
            )  # fmt: skip
    options = [dish.options[option_id] for option_id in chosen]
    return sum(option.price for option in options), [option.name for option in options]


def _closed(prices: PriceList, at: datetime) -> Refusal:
    """Says when it opens next, unless it has stopped taking orders for as long as it likes."""
    details: dict[str, object] = {"restaurant_id": prices.restaurant_id, "at": to_text(at)}
    if not prices.accepting_orders:
        return Refusal("restaurant_closed", "the restaurant takes no orders for now", details)
    opening = prices.schedule.next_opening(at)
    if opening is not None:
        details["opens_at"] = to_text(opening)
    return Refusal("restaurant_closed", "the restaurant is closed then", details)
