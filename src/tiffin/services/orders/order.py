"""An order as it is stored, and as others see it."""

from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.services.orders.states import State

PaymentMethod = Literal["cash", "online", "elsewhere"]
ELSEWHERE: PaymentMethod = "elsewhere"
"""Its money is another system's: of orders that were adopted from one, and of no others."""


class Origin(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The system that an adopted order comes from."""

    source: str
    legacy_id: str
    revision: int
    """Of the other system's, the latest that has come."""
    paid_by: str
    """In the other system's words."""
    held: bool = True
    """The other system decides about the order, not the platform."""


class Details(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What never changes once an order is placed; of adopted orders, what only the other system changes.
    Stored as JSON text."""

    lines: list[c.PricedLine]
    subtotal: int
    delivery_fee: int
    address: c.Address
    note: str | None = None
    holds_stock: bool = False
    small_order_fee: int = 0
    origin: Origin | None = None
    """Of adopted orders."""


class OrderRow(NamedTuple):
    """A row of `orders.orders`, in the order of its columns."""

    shard: int
    id: int
    customer_id: str
    restaurant_id: str
    state: State
    version: int
    placed_at: datetime
    updated_at: datetime
    due_at: datetime | None
    scheduled_for: datetime | None
    accepted_at: datetime | None
    payment_method: str
    total: int
    currency: str
    courier_id: str | None
    reason: str | None
    details: str
    idempotency_key: str
    request_hash: bytes


class _Sums(msgspec.Struct):
    """As much of the details as money needs; the rest is not looked at."""

    subtotal: int
    delivery_fee: int
    small_order_fee: int = 0


_sums_decoder = msgspec.json.Decoder(_Sums)
_details_decoder = msgspec.json.Decoder(Details)


def details_of(row: OrderRow) -> Details:
    """The unchanging part of an order."""
    return _details_decoder.decode(row.details)


def terms_of(row: OrderRow) -> c.OrderTerms:
    """What was agreed about the order's money."""
    sums = _sums_decoder.decode(row.details)
    return c.OrderTerms(
        order_id=str(row.id), customer_id=row.customer_id, restaurant_id=row.restaurant_id,
        subtotal=sums.subtotal, delivery_fee=sums.delivery_fee, total=row.total, currency=row.currency,
        payment_method=_payment_method(row.payment_method),
        placed_at=to_text(row.placed_at), small_order_fee=sums.small_order_fee or None,
    )  # fmt: skip


def to_contract(row: OrderRow, details: Details) -> c.Order:
    """The order as its parties see it."""
    return c.Order(
        id=str(row.id),
        state=row.state,
        version=row.version,
        customer_id=row.customer_id,
        restaurant_id=row.restaurant_id,
        lines=details.lines,
        subtotal=c.Money(amount=details.subtotal, currency=row.currency),
        delivery_fee=c.Money(amount=details.delivery_fee, currency=row.currency),
        total=c.Money(amount=row.total, currency=row.currency),
        payment_method=_payment_method(row.payment_method),
        address=details.address,
        placed_at=to_text(row.placed_at),
        updated_at=to_text(row.updated_at),
        due_at=to_text(row.due_at) if row.due_at else None,
        scheduled_for=to_text(row.scheduled_for) if row.scheduled_for else None,
        courier_id=row.courier_id,
        note=details.note,
        reason=row.reason,
        small_order_fee=optional_money(details.small_order_fee, row.currency),
    )


def _payment_method(stored: str) -> PaymentMethod:
    return "cash" if stored == "cash" else ELSEWHERE if stored == ELSEWHERE else "online"


def optional_money(amount: int, currency: str) -> c.Money | None:
    """None for nothing: what is not charged is not shown."""
    return c.Money(amount=amount, currency=currency) if amount else None
