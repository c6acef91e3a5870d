"""Payments, refunds and changes as the rows of this service's statements."""

import asyncpg
import msgspec

from tiffin.services.payments.payment import Change, Payment, event_of
from tiffin.services.payments.refund import Refund
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.services.payments")
_encode = msgspec.json.Encoder().encode


def payment_of(row: asyncpg.Record) -> Payment:
    """A payment from its row."""
    return Payment(
        id=row["id"],
        order_id=row["order_id"],
        customer_id=row["customer_id"],
        method=row["method"],
        provider=row["provider"],
        amount=row["amount"],
        currency=row["currency"],
        total=row["total"],
        source=row["source"],
        at_once=row["at_once"],
        state=row["state"],
        version=row["version"],
        captured=row["captured"],
        refunding=row["refunding"],
        refunded=row["refunded"],
        provider_reference=row["provider_reference"],
        decline_reason=row["decline_reason"],
        attempts=row["attempts"],
        next_check_at=row["next_check_at"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def refund_of(row: asyncpg.Record) -> Refund:
    """A part of a refund from its row."""
    return Refund(
        id=row["id"],
        part=row["part"],
        payment_id=row["payment_id"],
        key=row["key"],
        reason=row["reason"],
        amount=row["amount"],
        state=row["state"],
        failure=row["failure"],
        reference=row["reference"],
        attempts=row["attempts"],
        next_check_at=row["next_check_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        to_balance=row["to_balance"],
    )


def start_row(change: Change) -> tuple[object, ...]:
    """What `start` and `collect` take."""
    payment = change.payment
    return (
        payment.shard, payment.id, payment.order_id, payment.customer_id, payment.method, payment.provider,
        payment.amount, payment.currency, payment.total, payment.source, payment.at_once, payment.created_at,
        payment.next_check_at, change.event, _encode(event_of(change)).decode(), change.trace,
    )  # fmt: skip


def change_row(change: Change) -> tuple[object, ...]:
    """What `change` takes."""
    payment, refund = change.payment, change.refund
    return (
        *start_row(change),
        payment.state, payment.version, payment.captured, payment.refunding, payment.refunded,
        payment.provider_reference, payment.decline_reason, payment.expires_at, payment.updated_at,
        change.freed,
        *(_NO_REFUND if refund is None else (
            refund.id, refund.part, refund.key, refund.reason, refund.amount, refund.state, refund.failure,
            refund.reference, refund.attempts, refund.next_check_at, refund.created_at, refund.to_balance,
        )),
    )  # fmt: skip


_NO_REFUND = (None,) * 12
