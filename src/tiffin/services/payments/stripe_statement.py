"""What Stripe says has moved: its balance transactions, as far as they are of payments of ours."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import stripe

from tiffin.primitives.errors import Unavailable

PAGE = 100
_CHARGES = ("charge", "payment")
_REFUNDS = ("refund", "payment_refund")
_FAILED_REFUNDS = ("refund_failure", "payment_failure_refund")


class Moved(NamedTuple):
    """A line: kind, our payment's id, and minor units of the payment's currency; a refund's are negative, but
    of one that has come back."""

    kind: Literal["charge", "refund"]
    key: str
    amount: int
    currency: str


async def stripe_statement(client: stripe.StripeClient) -> list[Moved]:
    """Every movement of every payment that carries our key, the newest first. `Unavailable` if Stripe cannot
    be asked. Fees, payouts and disputes, and payments that others have made there, are left out."""
    moved: list[Moved] = []
    try:
        pages = await client.v1.balance_transactions.list_async({"limit": PAGE, "expand": ["data.source"]})
        async for transaction in pages.auto_paging_iter():
            line = read_transaction(transaction.to_dict())
            if line is not None:
                moved.append(line)
    except stripe.StripeError as error:
        raise Unavailable("provider_unavailable", f"stripe: {error!r}") from error
    return moved


def read_transaction(transaction: Mapping[str, Any]) -> Moved | None:
    """What a balance transaction, with its source, moves; None if it is of no payment of ours. The source's
    own amount counts: the transaction's is in the currency of the account, after exchange."""
    kind: str = transaction["type"]
    source: Any = transaction["source"]
    if not hasattr(source, "keys"):
        return None
    of: Mapping[str, str] = source.get("metadata") or {}
    if kind in _CHARGES and "key" in of:
        amount = source.get("amount_captured", source["amount"])
        return Moved("charge", of["key"], amount, source["currency"].upper())
    if kind in (*_REFUNDS, *_FAILED_REFUNDS) and "payment" in of:
        sign = 1 if kind in _FAILED_REFUNDS else -1
        return Moved("refund", of["payment"], sign * source["amount"], source["currency"].upper())
    return None
