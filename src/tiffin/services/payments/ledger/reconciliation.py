"""Three books of one payment: ours, the ledger's, the provider's statement. What differs, and what to do.

For payments at rest: one that is still open may be ahead of its books in any of the three.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

Kind = Literal[
    "missing_here", "missing_there", "amount_differs", "status_differs", "duplicate", "not_entered",
    "entered_too_much",
]  # fmt: skip
Fix = Literal["ask_the_provider", "refund_at_the_provider", "enter_again", "undo_the_entry", "ask_a_person"]

WHAT_TO_DO: Mapping[Fix, str] = {
    "ask_the_provider": "ask the provider again; what it says is recorded as if heard for the first time",
    "refund_at_the_provider": "give the money back at the provider",
    "enter_again": "let the ledger hear of the payment's events again",
    "undo_the_entry": "undo the entry by its opposite",
    "ask_a_person": "a person decides; nothing is changed by itself",
}


class Ours(NamedTuple):
    """A payment by our own record."""

    amount: int
    currency: str
    state: str
    """As callers see it."""
    refunding: int
    refunded: int
    method: str = "card"
    to_balance: int = 0
    """What of it has gone back, but not by its provider."""
    provider: str = "sandbox"


class Entered(NamedTuple):
    """What the ledger has of a payment: sums of what was captured and given back, undone entries left out."""

    captured: int = 0
    refunded: int = 0


class Line(NamedTuple):
    """A line of the provider's statement; a refund's amount is negative."""

    kind: str
    amount: int
    currency: str


class Difference(NamedTuple):
    """Something that two of the books do not agree about."""

    payment_id: str
    kind: Kind
    fix: Fix
    what: str


_CHARGED = frozenset(("succeeded", "refunding", "refunded"))
"""States in which the provider has taken the money, by our own record."""


def reconcile(
    ours: Mapping[str, Ours],
    entered: Mapping[str, Entered],
    statement: Mapping[str, Sequence[Line]] | None,
    provider: str = "sandbox",
) -> list[Difference]:
    """Every difference, payment by payment, by payment id. `statement` None: there is none; else it is the
    provider's, and of its own payments only it says all there is."""
    found: list[Difference] = []
    for of in sorted(ours.keys() | entered.keys() | (statement or {}).keys()):
        lines = None if statement is None else statement.get(of, ())
        if of in ours and ours[of].provider != provider:
            lines = lines or None
        found += match(of, ours.get(of), entered.get(of), lines)
    return found


def match(
    payment_id: str, ours: Ours | None, entered: Entered | None, lines: Sequence[Line] | None
) -> list[Difference]:
    """What is wrong with one payment. `lines` None: there is no statement to compare with."""
    found = list(_ledger(ours, entered or Entered()))
    if lines is not None and (ours is None or ours.method == "card" or lines):
        found += _provider(ours, lines)
    return [Difference(payment_id, *each) for each in found]


def _ledger(ours: Ours | None, entered: Entered) -> Iterable[tuple[Kind, Fix, str]]:
    charged = ours is not None and ours.method != "cash" and ours.state in _CHARGED
    wanted = Entered(
        ours.amount if ours and charged else 0,
        ours.refunded if ours else 0,
    )
    for name, has, should in zip(Entered._fields, entered, wanted, strict=True):
        state = ours.state if ours else "unknown"
        if has < should:
            yield "not_entered", "enter_again", f"is {state} with {should} {name}, the ledger has {has}"
        elif has > should:
            what = f"is {state} with {should} {name}, the ledger has {has}"
            yield "entered_too_much", "undo_the_entry", what


def _provider(ours: Ours | None, lines: Sequence[Line]) -> Iterable[tuple[Kind, Fix, str]]:
    charges = [line for line in lines if line.kind == "charge"]
    refunds = [line for line in lines if line.kind == "refund"]
    moves = ", ".join(f"{line.amount} {line.currency}" for line in lines) or "nothing"
    if len(charges) > 1:
        yield (
            "duplicate",
            "refund_at_the_provider",
            f"the provider has charged it {len(charges)} times: {moves}",
        )
        return
    if ours is None:
        if sum(line.amount for line in lines):
            yield (
                "missing_here",
                "refund_at_the_provider",
                f"we have no such payment, the provider moved {moves}",
            )
        return
    if any(line.currency != ours.currency for line in lines) or any(
        line.amount != ours.amount for line in charges
    ):
        what = f"is of {ours.amount} {ours.currency}, the provider moved {moves}"
        yield "amount_differs", "ask_a_person", what
        return
    if refunds and not charges:
        yield "missing_there", "ask_a_person", f"the provider has refunded what it never charged: {moves}"
        return
    back = -sum(line.amount for line in refunds)
    if charges and ours.state in _CHARGED:
        yield from _given_back(ours, back, moves)
        return
    there = "refunded" if refunds else "charged" if charges else "nothing"
    difference = _STATUS.get((ours.state, there))
    if difference is not None:
        kind, fix = difference
        yield kind, fix, f"is {ours.state} here, the provider has {there} of it"


def _given_back(ours: Ours, back: int, moves: str) -> Iterable[tuple[Kind, Fix, str]]:
    """What has gone back of a charge that all know of."""
    refunded = ours.refunded - ours.to_balance
    what = f"has {refunded} back and {ours.refunding} on its way here, the provider moved {moves}"
    if back < refunded:
        yield "status_differs", "refund_at_the_provider", what
    elif back > refunded + ours.refunding:
        yield ("duplicate" if refunded else "status_differs"), "ask_a_person", what
    elif ours.refunding:
        fix: Fix = "refund_at_the_provider" if back < refunded + ours.refunding else "ask_the_provider"
        yield "status_differs", fix, what


_STATUS: Mapping[tuple[str, str], tuple[Kind, Fix]] = {
    **{
        (state, "charged"): ("status_differs", "ask_the_provider")
        for state in ("pending", "authorised", "capturing", "voiding", "voided", "declined")
    },
    **{
        (state, "refunded"): ("status_differs", "ask_a_person")
        for state in ("pending", "authorised", "capturing", "voiding", "voided")
    },
    **{(state, "nothing"): ("missing_there", "ask_the_provider") for state in ("succeeded", "refunding")},
    ("refunded", "nothing"): ("missing_there", "ask_a_person"),
}
"""By state here and what the provider has moved; what is not listed agrees. A charge given up (`declined`)
that was charged and refunded is as it should be: nothing is left of it."""
