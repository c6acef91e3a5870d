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


class PaymentRow(NamedTuple):
    """A row of `audit_payments`, without the order's id."""

    id: str
    amount: int
    currency: str
    state: str
    version: int


def differences(order: PaidOrder | None, payments: Sequence[PaymentRow]) -> list[str]:
    """What is wrong between an order (None: there is none) and every payment tried for it.

    To be asked of a platform at rest: a refund under way is a difference until it is done.
    """
    if order is None:
        return [f"payment {payment.id}: there is no such order" for payment in payments]
    if order.payment_method != "online":
        return [f"payment {payment.id}: the order is not paid online" for payment in payments]
    wrong = [
        f"payment {payment.id}: {payment.amount} {payment.currency}, but the order's total is"
        f" {order.total} {order.currency}"
        for payment in payments
        if (payment.amount, payment.currency) != (order.total, order.currency)
    ]
    succeeded = [payment.id for payment in payments if payment.state == "succeeded"]
    refunds = [payment for payment in payments if payment.state in ("refunding", "refunded")]
    if order.state == "awaiting_payment":
        wrong += [f"payment {of}: succeeded, but the order still awaits payment" for of in succeeded]
    elif order.state == "cancelled":
        wrong += [f"payment {of}: succeeded and not refunded, but the order is cancelled" for of in succeeded]
        wrong += [f"payment {of.id}: still {of.state}" for of in refunds if of.state == "refunding"]
    elif len(succeeded) != 1:
        wrong.append(f"the order is {order.state} with {len(succeeded)} succeeded payments instead of one")
    return wrong
