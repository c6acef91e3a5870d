"""An entry: what one fact moves between accounts. Its postings sum to zero."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from tiffin.primitives.clock import to_text
from tiffin.primitives.money import EXPONENTS
from tiffin.rpc import contracts as c

REVERSAL = "reversal:"
POSTINGS_MAX = 50
AMOUNT_MAX = 10**12


class Posting(NamedTuple):
    """Minor units to an account; below zero, from it."""

    account: str
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Named by subject and fact: of one name there is only ever one. In one currency, for good."""

    shard: int
    """Of the customer dimension: an order's entries are beside each other and beside the order."""
    subject: str
    """The order's number, or `settlement:<id>`, `cash:<courier>`, `provider:<name>`."""
    fact: str
    currency: str
    postings: tuple[Posting, ...]
    """An account at most once, none of zero."""
    at: datetime
    """When the fact was."""
    trace: str
    policy: int | None = None
    """The version of the fees, where it depends on them."""


class Unbalanced(ValueError):
    """Postings that are no entry: no sum of zero, too many, too large, or of no known currency."""


def balanced(currency: str, postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """One posting an account, in the order in which they first came, without zeros. `Unbalanced` if it is
    no entry; empty if nothing moves."""
    sums: dict[str, int] = {}
    for account, amount in postings:
        if type(amount) is not int:
            raise Unbalanced(f"{amount!r} to {account} is no whole number")
        sums[account] = sums.get(account, 0) + amount
    merged = tuple(Posting(account, amount) for account, amount in sums.items() if amount)
    if currency not in EXPONENTS:
        raise Unbalanced(f"unknown currency {currency!r}")
    if sum(posting.amount for posting in merged):
        raise Unbalanced(f"the postings sum to {sum(posting.amount for posting in merged)} {currency}")
    if len(merged) > POSTINGS_MAX or any(abs(posting.amount) > AMOUNT_MAX for posting in merged):
        raise Unbalanced(f"more than {POSTINGS_MAX} postings, or one above {AMOUNT_MAX}")
    return merged


def reversed_entry(entry: Entry, at: datetime, trace: str) -> Entry:
    """The opposite of an entry, which undoes it. `Unbalanced` for what is itself an undoing."""
    if entry.fact.startswith(REVERSAL):
        raise Unbalanced("an undoing is not undone: enter the fact anew, under a name of its own")
    postings = tuple(Posting(account, -amount) for account, amount in entry.postings)
    return replace(entry, fact=REVERSAL + entry.fact, postings=postings, at=at, trace=trace)


def to_contract(entry: Entry) -> c.Entry:
    """The entry as others see it."""
    return c.Entry(
        subject=entry.subject,
        fact=entry.fact,
        currency=entry.currency,
        postings=[c.Posting(account=account, amount=amount) for account, amount in entry.postings],
        at=to_text(entry.at),
        policy=entry.policy,
        trace=entry.trace,
    )
