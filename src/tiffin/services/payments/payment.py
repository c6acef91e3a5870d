"""A payment and its moves. No I/O; time is an argument."""

import re
from dataclasses import dataclass, replace
from datetime import datetime

from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.services.payments.states import Edge, EventType, State
from tiffin.sharding.order_id import customer_shard, is_valid

REASON_LENGTH_MAX = 200


_ID = re.compile(r"([1-9][0-9]{0,18})-[A-Za-z0-9_.]{1,32}")


@dataclass(frozen=True, slots=True)
class Payment:
    """One attempt to be paid the whole of an order, as of `version`."""

    id: str
    """`<order id>-<suffix>`, so that it says where it lives; to the provider it is the idempotency key."""
    order_id: int
    customer_id: str
    amount: int
    currency: str
    source: str
    """The provider's token for the customer's means of payment."""
    state: State
    version: int
    provider_reference: str | None
    decline_reason: str | None
    attempts: int
    """How often the provider was asked about it since its state last changed."""
    next_check_at: datetime | None
    """When to ask the provider; None where nothing is open."""
    created_at: datetime
    updated_at: datetime

    @property
    def shard(self) -> int:
        """The customer shard of its order."""
        return customer_shard(self.order_id)


@dataclass(frozen=True, slots=True)
class Change:
    """A payment as it is after a change, and what the log says of it."""

    payment: Payment
    event: EventType
    reason: str | None
    trace: str


def order_id_of(payment_id: str) -> int | None:
    """The order that a payment's id names; None if the text is no id of ours."""
    match = _ID.fullmatch(payment_id)
    return int(match[1]) if match and is_valid(int(match[1])) else None


def start(order: c.Order, source: str, suffix: str, now: datetime, check_at: datetime, trace: str) -> Change:
    """The intent to charge for an order; what must be on record before the provider hears of it."""
    payment = Payment(
        id=f"{order.id}-{suffix}",
        order_id=int(order.id),
        customer_id=order.customer_id,
        amount=order.total.amount,
        currency=order.total.currency,
        source=source,
        state="pending",
        version=1,
        provider_reference=None,
        decline_reason=None,
        attempts=0,
        next_check_at=check_at,
        created_at=now,
        updated_at=now,
    )
    return Change(payment, "payment.started", None, trace)


def move(
    payment: Payment, edge: Edge, now: datetime, trace: str, reference: str | None, reason: str | None
) -> Change:
    """The payment one version on, along an edge of the table."""
    reason = reason and reason[:REASON_LENGTH_MAX]
    after = replace(
        payment,
        state=edge.to,
        version=payment.version + 1,
        provider_reference=reference or payment.provider_reference,
        decline_reason=reason if edge.to == "declined" else payment.decline_reason,
        attempts=0,
        next_check_at=now if edge.to == "refunding" else None,
        updated_at=now,
    )
    return Change(after, edge.event, reason, trace)


def event_of(change: Change) -> c.PaymentEvent:
    """What the log says about a change."""
    payment = change.payment
    return c.PaymentEvent(
        payment_id=payment.id,
        order_id=str(payment.order_id),
        version=payment.version,
        type=change.event,
        amount=c.Money(amount=payment.amount, currency=payment.currency),
        at=to_text(payment.updated_at),
        request_id=change.trace,
        reason=change.reason,
        customer_id=payment.customer_id,
    )


def to_contract(payment: Payment) -> c.Payment:
    """The payment as callers see it: neither its source nor the provider's reference."""
    return c.Payment(
        id=payment.id,
        order_id=str(payment.order_id),
        amount=c.Money(amount=payment.amount, currency=payment.currency),
        state=payment.state,
        decline_reason=payment.decline_reason,
        created_at=to_text(payment.created_at),
        updated_at=to_text(payment.updated_at),
    )
