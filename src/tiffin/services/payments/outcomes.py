"""What a provider can say of a charge or a refund, and what that makes of the payment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from tiffin.services.payments.payment import REASON_LENGTH_MAX, SURPLUS, Change, Payment, move
from tiffin.services.payments.refund import Refund, refund_id
from tiffin.services.payments.states import OLD_NEWS, Edge, Happening, RefundState, next_edge


@dataclass(frozen=True, slots=True)
class Authorised:
    """The provider keeps this much for us, until it expires."""

    reference: str
    amount: int
    currency: str
    expires_at: datetime | None


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
class Voided:
    """What was authorised has been let go, or has expired."""

    reference: str
    reason: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """The provider has the charge, or the refund, and has not decided yet."""


@dataclass(frozen=True, slots=True)
class NeverArrived:
    """The provider knows no charge of this key. A request under way may still arrive."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nobody knows: no answer in time, or one that does not say. Only asking later will tell."""

    why: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """The provider has given this much back."""

    reference: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class RefundFailed:
    """The provider gives nothing back under this key, for good."""

    reason: str


Outcome = Authorised | Charged | Declined | Voided | Undecided | NeverArrived | NoAnswer
RefundOutcome = Refunded | RefundFailed | Undecided | NoAnswer


@dataclass(frozen=True, slots=True)
class Notice:
    """A provider's own word, its signature checked: what became of the charge of this key, or of a refund
    of it."""

    key: str
    outcome: Outcome | RefundOutcome
    refund_key: str | None = None


class Mover(Protocol):
    """Who moves the money: a provider, or the ledger for what it keeps for customers. Every method is
    idempotent by the payment's id or the refund's key, has its own time limit and never raises for what
    happens on the way: that is `NoAnswer`."""

    name: str
    """Part of the ledger's account of what it holds for us."""

    async def prepare(self, payment: Payment) -> str | Declined | NoAnswer | None:
        """The provider's own name for a payment, made before it is asked for money; None if it knows the
        payment by our id. What it says is kept before the next step."""
        ...

    async def charge(self, payment: Payment) -> Outcome:
        """Take the whole amount at once, or authorise it, as the payment says."""
        ...

    async def capture(self, payment: Payment) -> Outcome:
        """Take what has been authorised."""
        ...

    async def void(self, payment: Payment) -> Outcome:
        """Let go of what has been authorised. What is taken already stays so."""
        ...

    async def find(self, payment: Payment) -> Outcome:
        """What became of a charge. Moves nothing."""
        ...

    async def refund(self, payment: Payment, refund: Refund) -> RefundOutcome:
        """Give some of a charge back."""
        ...


class Provider(Mover, Protocol):
    """Somebody outside, who also tells by notices."""

    def read_notice(self, body: str, signature: str, now: datetime) -> Notice | None:
        """Check and read a notice; None if it is about nothing of ours. `Refusal`: bad_signature,
        invalid_request."""
        ...


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The provider says what cannot be true by our record. A person has to look; nothing is changed."""

    what: str


def decide(payment: Payment, outcome: Outcome, now: datetime, trace: str) -> Change | Disagreement | None:
    """What an outcome makes of a payment: a change, a disagreement, or nothing (open still, or old news)."""
    reason, expires_at = None, None
    match outcome:
        case Authorised() | Charged():
            happening: Happening = "charged" if isinstance(outcome, Charged) else "authorised"
            if (outcome.amount, outcome.currency) != (payment.amount, payment.currency):
                said, ours = f"{outcome.amount} {outcome.currency}", f"{payment.amount} {payment.currency}"
                return Disagreement(f"{happening} {said} where ours is {ours}")
            if isinstance(outcome, Authorised):
                expires_at = outcome.expires_at
        case Declined() | Voided():
            happening = "declined" if isinstance(outcome, Declined) else "voided"
            reason = outcome.reason
        case Undecided() | NeverArrived() | NoAnswer():
            return None
    edge = next_edge(payment.state, happening)
    if edge is None:
        old = (payment.state, happening) in OLD_NEWS
        return None if old else Disagreement(f"{happening} where ours is {payment.state}")
    if edge.event == "payment.refund_started":
        return _give_back_all(payment, edge, outcome.reference, now, trace)
    return move(payment, edge, now, trace, outcome.reference, reason, expires_at)


def _give_back_all(payment: Payment, edge: Edge, reference: str | None, now: datetime, trace: str) -> Change:
    """A charge that nobody waits for any more: recorded, and on its way back at once."""
    change = move(payment, edge, now, trace, reference, SURPLUS)
    key = f"{SURPLUS}:{payment.id}"
    refund = Refund(
        refund_id(payment.order_id, key), 1, payment.id, key, SURPLUS, payment.amount, "pending", None, None,
        0, now, now, now, payment.method != "card",
    )  # fmt: skip
    return replace(change, payment=replace(change.payment, refunding=payment.amount), refund=refund)


def intend(payment: Payment, happening: Happening, now: datetime, trace: str, reason: str) -> Change | None:
    """The start of capturing or voiding; None where it is done, under way, or cannot be."""
    edge = next_edge(payment.state, happening)
    return edge and move(payment, edge, now, trace, None, reason)


def begin_refund(
    payments: Mapping[str, Payment],
    amounts: Mapping[str, int],
    key: str,
    reason: str | None,
    now: datetime,
    check_at: datetime,
    trace: str,
    to_balance: bool = False,
) -> list[Change]:
    """The intent to give back so much of each of an order's payments, by payment id: to where it came from,
    or all of it to the customer's balance. Cash can go nowhere else."""
    changes: list[Change] = []
    for number, (payment_id, amount) in enumerate(amounts.items(), 1):
        payment = payments[payment_id]
        refund = Refund(
            refund_id(payment.order_id, key), number, payment_id, key, reason, amount, "pending", None, None,
            1 if check_at > now else 0, check_at, now, now, to_balance or payment.method != "card",
        )  # fmt: skip
        changes.append(_refund_change(payment, refund, "refund_started", amount, 0, now, trace, reason))
    return changes


def share_out(amount: int, payments: list[Payment]) -> dict[str, int] | None:
    """What of a refund comes out of which payment, the newest first; None if there is not so much left.

    Out of one alone if any has enough: the fewest parts that can fail apart.
    """
    newest_first = sorted(payments, key=lambda payment: (payment.created_at, payment.id), reverse=True)
    for payment in newest_first:
        if payment.left >= amount:
            return {payment.id: amount}
    shares: dict[str, int] = {}
    for payment in newest_first:
        share = min(payment.left, amount)
        if share > 0:
            shares[payment.id] = share
            amount -= share
    return shares if amount == 0 else None


def decide_refund(
    payment: Payment, refund: Refund, outcome: RefundOutcome, now: datetime, trace: str
) -> Change | Disagreement | None:
    """What an outcome makes of a part of a refund and of its payment."""
    if isinstance(outcome, Undecided | NoAnswer):
        return None
    state: RefundState = "succeeded" if isinstance(outcome, Refunded) else "failed"
    if isinstance(outcome, Refunded) and (outcome.amount, outcome.currency) != (
        refund.amount,
        payment.currency,
    ):
        said, ours = f"{outcome.amount} {outcome.currency}", f"{refund.amount} {payment.currency}"
        return Disagreement(f"refunded {said} where ours is {ours}")
    if refund.state != "pending":
        return None if refund.state == state else Disagreement(f"{state} where the refund has {refund.state}")
    if isinstance(outcome, RefundFailed):
        failure = outcome.reason[:REASON_LENGTH_MAX]
        failed = _ended(refund, state, now, failure, None)
        return _refund_change(payment, failed, "refund_failed", -refund.amount, 0, now, trace, failure)
    done = _ended(refund, state, now, None, outcome.reference)
    return _refund_change(payment, done, "refunded", -refund.amount, refund.amount, now, trace, refund.reason)


def _ended(
    refund: Refund, state: RefundState, now: datetime, failure: str | None, reference: str | None
) -> Refund:
    return replace(
        refund, state=state, failure=failure, reference=reference, attempts=0, next_check_at=None,
        updated_at=now,
    )  # fmt: skip


def _refund_change(
    payment: Payment,
    refund: Refund,
    happening: Happening,
    refunding: int,
    refunded: int,
    now: datetime,
    trace: str,
    reason: str | None,
) -> Change:
    edge = next_edge(payment.state, happening)
    if edge is None:
        raise ValueError(f"a refund of a payment that is {payment.state}")
    after = replace(
        payment, version=payment.version + 1, refunding=payment.refunding + refunding,
        refunded=payment.refunded + refunded, updated_at=now,
    )  # fmt: skip
    return Change(after, edge.event, reason, trace, 0, refund)
