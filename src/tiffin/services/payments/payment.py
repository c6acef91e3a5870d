"""A payment and its moves. No I/O; time is an argument."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.services.payments.refund import Refund
from tiffin.services.payments.states import CLAIMING, GOOD, Edge, EventType, State
from tiffin.sharding.order_id import customer_shard, is_valid

REASON_LENGTH_MAX = 200
SURPLUS = "charged_after_all"
"""Why a payment is given back that nobody waited for any more. It covers nothing of its order."""
CAPTURE_AHEAD = timedelta(hours=6)
"""How long before its expiry an authorisation of a living order is captured, accepted or not."""

Method = Literal["card", "balance", "cash"]
BALANCE = "balance"
"""The provider of what is paid out of a customer's balance, or goes back to it: the platform's own ledger."""

_ID = re.compile(r"([1-9][0-9]{0,18})-[A-Za-z0-9_.]{1,32}")


@dataclass(frozen=True, slots=True)
class Payment:
    """One attempt to be paid an order or a part of it, as of `version`."""

    id: str
    """`<order id>-<suffix>`, so that it says where it lives; to the provider it is the idempotency key."""
    order_id: int
    customer_id: str
    method: Method
    provider: str
    amount: int
    currency: str
    total: int
    """What the whole order costs."""
    source: str
    """The provider's token for the customer's card; of other methods the method."""
    at_once: bool
    """Charged at once; otherwise authorised first."""
    state: State
    version: int
    captured: int
    refunding: int
    """What of it is on its way back."""
    refunded: int
    """What of it the customer has back."""
    provider_reference: str | None
    decline_reason: str | None
    attempts: int
    """How often the provider was asked about it since its state last changed; noted before it is asked."""
    next_check_at: datetime | None
    """When to ask the provider; None where nothing is open."""
    expires_at: datetime | None
    """When an authorisation is over."""
    created_at: datetime
    updated_at: datetime

    @property
    def shard(self) -> int:
        """The customer shard of its order."""
        return customer_shard(self.order_id)

    @property
    def is_surplus(self) -> bool:
        """Nobody waited for it any more when it was charged; all of it goes back by itself."""
        return self.decline_reason == SURPLUS

    @property
    def is_claiming(self) -> bool:
        """It covers its part of the order."""
        return self.state in CLAIMING and not self.is_surplus

    @property
    def is_good(self) -> bool:
        """It covers it with money that is certain, or as good as."""
        return self.state in GOOD and not self.is_surplus

    @property
    def left(self) -> int:
        """What of it can still be given back."""
        return self.captured - self.refunding - self.refunded


@dataclass(frozen=True, slots=True)
class Change:
    """A payment as it is after a change, what the log says of it, and the part of a refund it is about."""

    payment: Payment
    event: EventType
    reason: str | None
    trace: str
    freed: int = 0
    """What of the order somebody else may pay now."""
    refund: Refund | None = None


def order_id_of(payment_id: str) -> int | None:
    """The order that a payment's id names, or a refund's; None if the text is no id of ours."""
    match = _ID.fullmatch(payment_id)
    return int(match[1]) if match and is_valid(int(match[1])) else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a payment is to be like."""

    suffix: str
    method: Method
    provider: str
    amount: int
    source: str
    at_once: bool


def start(order: c.Order, wanted: Wanted, now: datetime, check_at: datetime, trace: str) -> Change:
    """The intent to charge for an order; what must be on record before the provider hears of it."""
    payment = Payment(
        id=f"{order.id}-{wanted.suffix}",
        order_id=int(order.id),
        customer_id=order.customer_id,
        method=wanted.method,
        provider=wanted.provider,
        amount=wanted.amount,
        currency=order.total.currency,
        total=order.total.amount,
        source=wanted.source,
        at_once=wanted.at_once,
        state="pending",
        version=1,
        captured=0,
        refunding=0,
        refunded=0,
        provider_reference=None,
        decline_reason=None,
        attempts=1,
        next_check_at=check_at,
        expires_at=None,
        created_at=now,
        updated_at=now,
    )
    return Change(payment, "payment.started", None, trace)


def collect(order: c.OrderTerms, now: datetime, trace: str) -> Change:
    """The cash of a delivered order; of one order there is one."""
    payment = Payment(
        id=f"{order.order_id}-cash", order_id=int(order.order_id), customer_id=order.customer_id,
        method="cash", provider="cash", amount=order.total, currency=order.currency, total=order.total,
        source="cash", at_once=True, state="succeeded", version=1, captured=order.total, refunding=0,
        refunded=0, provider_reference=None, decline_reason=None, attempts=0, next_check_at=None,
        expires_at=None, created_at=now, updated_at=now,
    )  # fmt: skip
    return Change(payment, "payment.collected", None, trace)


def move(
    payment: Payment,
    edge: Edge,
    now: datetime,
    trace: str,
    reference: str | None = None,
    reason: str | None = None,
    expires_at: datetime | None = None,
) -> Change:
    """The payment one version on, along an edge of the table; money that came back is not its business."""
    reason = reason and reason[:REASON_LENGTH_MAX]
    expires_at = expires_at or payment.expires_at
    after = replace(
        payment,
        state=edge.to,
        version=payment.version + 1,
        captured=payment.amount if edge.to == "succeeded" else payment.captured,
        provider_reference=reference or payment.provider_reference,
        decline_reason=reason if edge.to in ("declined", "voided") or reason == SURPLUS else None,
        attempts=0,
        next_check_at=_next_check(edge.to, now, expires_at),
        expires_at=expires_at,
        updated_at=now,
    )
    is_freed = payment.state in CLAIMING and edge.to not in CLAIMING
    return Change(after, edge.event, reason, trace, payment.amount if is_freed else 0)


def _next_check(state: State, now: datetime, expires_at: datetime | None) -> datetime | None:
    if state in ("capturing", "voiding"):
        return now
    if state == "authorised" and expires_at is not None:
        return max(now, expires_at - CAPTURE_AHEAD)
    return None


def event_of(change: Change) -> c.PaymentEvent:
    """What the log says about a change."""
    payment, refund = change.payment, change.refund
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
        provider=payment.provider,
        refund_id=refund and refund.id,
        refund_amount=c.Money(amount=refund.amount, currency=payment.currency) if refund else None,
        refund_provider=BALANCE if refund and refund.to_balance and payment.provider != BALANCE else None,
    )


def to_contract(payment: Payment) -> c.Payment:
    """The payment as callers see it: neither its source nor the provider's reference."""
    money = {
        name: c.Money(amount=amount, currency=payment.currency)
        for name, amount in (
            ("amount", payment.amount), ("captured", payment.captured), ("refunding", payment.refunding),
            ("refunded", payment.refunded),
        )
    }  # fmt: skip
    return c.Payment(
        id=payment.id,
        order_id=str(payment.order_id),
        state=_shown(payment),
        decline_reason=payment.decline_reason,
        created_at=to_text(payment.created_at),
        updated_at=to_text(payment.updated_at),
        method=payment.method,
        **money,
    )


def _shown(payment: Payment) -> State | Literal["refunding", "refunded"]:
    if payment.refunding:
        return "refunding"
    return "refunded" if payment.captured and payment.refunded == payment.captured else payment.state
