"""Refunds: what goes back, out of which payments. No I/O; time is an argument."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.services.payments.states import RefundState


@dataclass(frozen=True, slots=True)
class Refund:
    """What of a refund comes out of one payment."""

    id: str
    """Of the whole refund: `<order id>-<digest of the key>`."""
    part: int
    """From 1. Every refund has a first part, by which it is there only once."""
    payment_id: str
    key: str
    reason: str | None
    amount: int
    state: RefundState
    failure: str | None
    reference: str | None
    """The provider's own name for it."""
    attempts: int
    next_check_at: datetime | None
    created_at: datetime
    updated_at: datetime
    to_balance: bool
    """The customer is owed it; otherwise it goes back to their card."""

    @property
    def provider_key(self) -> str:
        """What the provider knows it by: never used for anything else."""
        return f"{self.id}/{self.part}"


def digest(key: str) -> str:
    """A caller's key as the end of an id."""
    return blake2b(key.encode(), digest_size=16).hexdigest()


def refund_id(order_id: int, key: str) -> str:
    """The id of the refund that a key names, of which an order has one."""
    return f"{order_id}-{digest(key)}"


def to_contract(parts: Sequence[Refund], currency: str) -> c.Refund:
    """A whole refund as callers see it."""
    first = parts[0]
    states = {part.state for part in parts}
    return c.Refund(
        id=first.id,
        order_id=first.id.partition("-")[0],
        amount=c.Money(amount=sum(part.amount for part in parts), currency=currency),
        state="pending" if "pending" in states else "failed" if "failed" in states else "succeeded",
        parts=[
            c.RefundPart(
                payment_id=part.payment_id,
                amount=c.Money(amount=part.amount, currency=currency),
                state=part.state,
                failure=part.failure,
                to="balance" if part.to_balance else "card",
            )
            for part in parts
        ],
        key=first.key,
        reason=first.reason,
        created_at=to_text(first.created_at),
        updated_at=to_text(max(part.updated_at for part in parts)),
    )


def whole(parts: Iterable[Refund]) -> list[list[Refund]]:
    """Parts, in the order of their refunds' age and their numbers, as whole refunds."""
    refunds: defaultdict[str, list[Refund]] = defaultdict(list)
    for part in sorted(parts, key=lambda part: (part.created_at, part.id, part.part)):
        refunds[part.id].append(part)
    return list(refunds.values())
