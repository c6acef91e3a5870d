"""What a decision needs to know of an order, asked of its service, the ledger and the rules."""

from datetime import datetime
from typing import NamedTuple

from tiffin.primitives.clock import from_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.reverse.kinds import ARRIVED
from tiffin.services.reverse.pieces import Sold, spread
from tiffin.services.reverse.policies import KnownPolicies
from tiffin.services.reverse.policy import WHOLE_BP, Policy


class Background(NamedTuple):
    """All of it but the order's other cases."""

    sold: Sold
    accepted_at: datetime | None
    updated_at: datetime
    policy: Policy


class Facts:
    """Asks. Raises what those it asks raise."""

    def __init__(self, orders: c.Orders, ledger: c.Ledger, policies: KnownPolicies) -> None:
        self._orders = orders
        self._ledger = ledger
        self._policies = policies

    async def of(self, context: c.CallContext, order_id: str) -> Background:
        """Of an order that the caller may see. `Refusal("order_not_found")` otherwise."""
        order = await self._orders.get(context, c.OrderRef(order_id=order_id))
        inside = as_system(context)
        told = await self._orders.terms(inside, c.OrdersNamed(order_ids=[order_id]))
        if not told.orders:
            raise Refusal("order_not_found", f"there is no order {order_id}")
        terms = told.orders[0]
        if terms.payment_method == "elsewhere":
            raise Refusal("paid_elsewhere", "another system has taken this order's money, and gives it back")
        fees = await self._ledger.fees(
            inside,
            c.FeesOf(restaurant_id=order.restaurant_id, currency=terms.currency, placed_at=terms.placed_at),
        )
        accepted_at = await self._accepted_at(inside, order)
        policy = (await self._policies.get()).at(from_text(terms.placed_at))
        return Background(_sold(order, terms, fees), accepted_at, from_text(order.updated_at), policy)

    async def _accepted_at(self, context: c.CallContext, order: c.Order) -> datetime | None:
        if order.state != "preparing":  # whatever is further on has been accepted too long ago, or packed
            return None
        timeline = await self._orders.timeline(context, c.OrderRef(order_id=order.id))
        return next(
            (from_text(event.at) for event in timeline.events if event.type == "order.accepted"), None
        )


def as_system(context: c.CallContext, request_id: str | None = None) -> c.CallContext:
    """The same call, by this service itself."""
    return c.CallContext(
        request_id=request_id or context.request_id,
        caller=c.Caller(role="system", id="reverse"),
        deadline_ms=context.deadline_ms,
        trace_parent=context.trace_parent,
    )


def _sold(order: c.Order, terms: c.OrderTerms, fees: c.OrderFees) -> Sold:
    is_cash = terms.payment_method == "cash"
    has_paid = order.state in ARRIVED if is_cash else order.state != "awaiting_payment"
    share, _ = spread(terms.delivery_fee, [fees.courier_share_bp, WHOLE_BP - fees.courier_share_bp])
    return Sold(
        order_id=int(order.id),
        customer_id=order.customer_id,
        restaurant_id=order.restaurant_id,
        courier_id=order.courier_id,
        state=order.state,
        currency=terms.currency,
        lines=tuple((line.quantity, line.total) for line in order.lines),
        delivery_fee=terms.delivery_fee,
        small_order_fee=terms.small_order_fee or 0,
        total=terms.total,
        discounts=tuple((given.programme, given.amount) for given in terms.discounts or ()),
        paid=terms.total if has_paid else 0,
        is_cash=is_cash,
        commission_bp=fees.commission_bp,
        courier_pay=max(share, fees.courier_minimum),
    )
