"""Between the contract's words for holds and the stock's own."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.stock import Command, Hold, Refill, Result, Verdict
from tiffin.sharding.order_id import is_valid, restaurant_shard
from tiffin.sharding.slots import shard_of

HOLD_MS_MAX = 7 * 24 * 3600 * 1000
HOLD_LINES_MAX = 100
HOLD_QUANTITY_MAX = 1_000_000


def parse_order_id(text: str) -> int:
    """The number of an order. Refused if it can be no order's."""
    order_id = int(text) if text.isascii() and text.isdecimal() and len(text) <= 19 else 0
    if not is_valid(order_id):
        raise Refusal("invalid_request", "not an order's id", {"order_id": text[:20]})
    return order_id


def parse_hold(request: c.HoldStock, now: datetime, refills: Mapping[str, Refill]) -> Hold:
    """What is to be held; lines of the same dish are summed. `refills` are the restaurant's, by dish."""
    order_id = parse_order_id(request.order_id)
    if restaurant_shard(order_id) != shard_of(request.restaurant_id):
        raise Refusal(
            "invalid_request", "this order is not for this restaurant", {"order_id": request.order_id}
        )
    if not 0 < request.expires_in_ms <= HOLD_MS_MAX:
        raise Refusal("invalid_request", "a hold lasts 1 ms to 7 days", {"expires_in_ms_max": HOLD_MS_MAX})
    quantities: Counter[str] = Counter()
    for line in request.lines:
        if not 0 < line.quantity <= HOLD_QUANTITY_MAX:
            raise Refusal("invalid_request", "no such number of portions", {"item_id": line.item_id})
        quantities[line.item_id] += line.quantity
    if not 0 < len(request.lines) <= HOLD_LINES_MAX:
        raise Refusal("invalid_request", f"1 to {HOLD_LINES_MAX} lines", {"lines_max": HOLD_LINES_MAX})
    expires_at = now + timedelta(milliseconds=request.expires_in_ms)
    of_these = {item_id: refill for item_id, refill in refills.items() if item_id in quantities}
    return Hold(order_id, request.restaurant_id, dict(quantities), expires_at, of_these)


def refuse_unless_done(command: Command, result: Result) -> None:
    """A result as the contract says it: nothing, or a refusal with what the caller needs to know."""
    order_id = str(command.order_id)
    match result.verdict:
        case Verdict.DONE | Verdict.NOTHING_HELD:
            return
        case Verdict.SHORT if isinstance(command, Hold):
            items = [
                {"item_id": item_id, "left": left, "wanted": command.quantities[item_id]}
                for item_id, left in sorted(result.left.items())
            ]
            raise Refusal("out_of_stock", "not enough portions left", {"items": items})
        case Verdict.SHORT:
            items = [{"item_id": item_id, "left": left} for item_id, left in sorted(result.left.items())]
            raise Refusal(
                "hold_expired", "the hold's time was up and the portions are gone",
                {"order_id": order_id, "items": items},
            )  # fmt: skip
        case Verdict.FALLEN:
            raise Refusal("hold_expired", "the order fell; it holds nothing any more", {"order_id": order_id})
        case Verdict.OTHER_PORTIONS:
            raise Refusal("id_taken", "this order already holds other portions", {"order_id": order_id})
