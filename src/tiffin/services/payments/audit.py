"""What payments and orders must agree on, for an auditor who reads both. No I/O.

The auditor reads the orders of some shards and, with the statement `audit_payments`, the payments of the
same shards, and asks `differences` of each order or payment there is.
"""

from collections.abc import Sequence
from typing import NamedTuple


class PaidOrder(NamedTuple):
    """What the audit needs of an order."""

    state: str
    payment_method: str
    total: int
    currency: str
    gives_back: int | None = None
    """As was decided, of a cancelled order of which something may be kept; None: all that was paid."""


class PaymentRow(NamedTuple):
    """A row of `audit_payments`, without the order's id."""

    id: str
    amount: int
    currency: str
    state: str
    """As callers see it."""
    version: int
    captured: int
    refunding: int
    refunded: int
    surplus: bool
    """Given up, charged after all, and given back whole: it pays for nothing."""
    method: str = "card"
    to_balance: int = 0
    """What has gone back of it, but not by its provider."""
    provider: str = "sandbox"


_GOOD = frozenset(("authorised", "capturing", "succeeded", "refunding", "refunded"))


def differences(order: PaidOrder | None, payments: Sequence[PaymentRow]) -> list[str]:
    """What is wrong between an order (None: there is none) and every payment tried for it but cash.

    To be asked of a platform at rest: a capture or a refund under way is a difference until it is done.
    """
    if order is None:
        return [f"payment {payment.id}: there is no such order" for payment in payments]
    if order.payment_method != "online":
        return [f"payment {payment.id}: the order is not paid online" for payment in payments]
    wrong = [
        f"payment {payment.id}: {payment.amount} {payment.currency}, but the order's total is"
        f" {order.total} {order.currency}"
        for payment in payments
        if payment.amount > order.total or payment.currency != order.currency
    ]
    wrong += [fault for payment in payments for fault in own_faults(payment)]
    good = sum(payment.amount for payment in payments if payment.state in _GOOD and not payment.surplus)
    taken = any(payment.state in _GOOD and not payment.surplus for payment in payments)
    if order.state == "awaiting_payment":
        if taken and good >= order.total:
            wrong.append(f"is covered by {good} {order.currency}, but the order still awaits payment")
    elif order.state == "cancelled":
        kept = ("authorised",) if order.gives_back is not None else ("succeeded", "authorised")
        wrong += [
            f"payment {payment.id}: {payment.state} and not refunded, but the order is cancelled"
            for payment in payments
            if payment.state in kept
        ]
        back = sum(payment.refunded for payment in payments if not payment.surplus)
        if order.gives_back not in (None, back):
            wrong.append(f"{back} {order.currency} have gone back, not {order.gives_back} as was decided")
        wrong += [
            f"payment {payment.id}: still {payment.state}"
            for payment in payments
            if payment.state in ("refunding", "capturing", "voiding")
        ]
    elif good != order.total or not taken:
        wrong.append(f"the order is {order.state} with {good} of {order.total} {order.currency} paid")
    elif order.state not in ("awaiting_acceptance", "scheduled"):
        wrong += [
            f"payment {payment.id}: {payment.state}, but the order is {order.state}"
            for payment in payments
            if payment.state in ("authorised", "capturing")
        ]
    return wrong


def cash_differences(order: PaidOrder | None, collected: Sequence[tuple[int, str]]) -> list[str]:
    """What is wrong between an order (None: there is none) and the cash noted for it."""
    is_due = order and order.payment_method == "cash" and order.state in ("delivered", "completed")
    wanted = [(order.total, order.currency)] if order and is_due else []
    if list(collected) == wanted:
        return []
    has = ", ".join(f"{amount} {currency}" for amount, currency in collected) or "none"
    return [f"has {has} in cash, not {wanted[0][0] if wanted else 0}"]


def own_faults(payment: PaymentRow) -> list[str]:
    """What is wrong with a payment by itself."""
    wrong: list[str] = []
    if payment.captured > payment.amount:
        wrong.append(f"payment {payment.id}: {payment.captured} captured of {payment.amount} authorised")
    if payment.refunding + payment.refunded > payment.captured:
        back = payment.refunding + payment.refunded
        wrong.append(f"payment {payment.id}: {back} refunded of {payment.captured} captured")
    taken = payment.state in ("succeeded", "refunding", "refunded")
    if payment.captured != (payment.amount if taken else 0):
        wrong.append(f"payment {payment.id}: {payment.state} with {payment.captured} captured")
    return wrong
