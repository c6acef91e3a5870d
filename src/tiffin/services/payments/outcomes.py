"""What a provider can say of a charge, and what that makes of the payment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tiffin.services.payments.payment import Change, Payment, move
from tiffin.services.payments.states import OLD_NEWS, Happening, next_edge


@dataclass(frozen=True, slots=True)
class Charged:
    """The provider has taken the money: this much."""

    reference: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider has taken nothing and never will under this key."""

    reference: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """The provider has given the money back: this much."""

    reference: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """The provider has the charge and has not decided yet."""


@dataclass(frozen=True, slots=True)
class NeverArrived:
    """The provider knows no charge of this key. A request under way may still arrive."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nobody knows: no answer in time, or one that does not say. Only asking later will tell."""

    why: str


Outcome = Charged | Declined | Refunded | Undecided | NeverArrived | NoAnswer


@dataclass(frozen=True, slots=True)
class Notice:
    """A provider's own word, its signature checked: what became of the charge of this key."""

    key: str
    outcome: Outcome


class Provider(Protocol):
    """Who moves the money. Every method is idempotent by key, has its own time limit and never raises for
    what happens on the way: that is `NoAnswer`."""

    async def charge(self, key: str, amount: int, currency: str, source: str) -> Outcome:
        """Take the whole amount at once."""
        ...

    async def find(self, key: str) -> Outcome:
        """What became of a charge."""
        ...

    async def refund(self, key: str, refund_key: str) -> Outcome:
        """Give the whole charge back."""
        ...

    def read_notice(self, body: str, signature: str, now: datetime) -> Notice:
        """Check and read a notice. `Refusal`: bad_signature, invalid_request."""
        ...


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The provider says what cannot be true by our record. A person has to look; nothing is changed."""

    what: str


def decide(payment: Payment, outcome: Outcome, now: datetime, trace: str) -> Change | Disagreement | None:
    """What an outcome makes of a payment: a change, a disagreement, or nothing (open still, or old news)."""
    reference: str | None = None
    reason: str | None = None
    match outcome:
        case Charged() | Refunded():
            happening: Happening = "charged" if isinstance(outcome, Charged) else "refunded"
            if (outcome.amount, outcome.currency) != (payment.amount, payment.currency):
                said, ours = f"{outcome.amount} {outcome.currency}", f"{payment.amount} {payment.currency}"
                return Disagreement(f"{happening} {said} where ours is {ours}")
            reference = outcome.reference
        case Declined():
            happening, reference, reason = "declined", outcome.reference, outcome.reason
        case Undecided() | NeverArrived() | NoAnswer():
            return None
    edge = next_edge(payment.state, happening)
    if edge is None:
        old = (payment.state, happening) in OLD_NEWS
        return None if old else Disagreement(f"{happening} where ours is {payment.state}")
    if edge.to == "refunding":
        reason = "charged_after_all"
    return move(payment, edge, now, trace, reference, reason)


def refund_for_cancelled_order(payment: Payment, now: datetime, trace: str) -> Change | None:
    """The start of giving it back; None if there is nothing to give back, or not yet."""
    edge = next_edge(payment.state, "order_cancelled")
    return edge and move(payment, edge, now, trace, None, "order_cancelled")
