"""Dues: what entries owe restaurants and couriers, line by line, kept where each of them lives."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.entry import Entry
from tiffin.sharding.slots import shard_of


class Due(NamedTuple):
    """A line of a party's account, in the order of the table's columns."""

    shard: int
    """Of the restaurant dimension; a courier's is found by the courier's id."""
    party: str
    subject: str
    fact: str
    currency: str
    amount: int
    at: datetime
    due_at: datetime


def dues_of(entries: Iterable[Entry], wait: Callable[[Entry], timedelta]) -> list[Due]:
    """The lines that some entries make. What a party earns falls due after `wait`; what it owes, at once."""
    return [
        Due(
            shard_of(accounts.holder(account)), account, entry.subject, entry.fact, entry.currency, amount,
            entry.at, entry.at + wait(entry) if amount > 0 else entry.at,
        )
        for entry in entries
        for account, amount in entry.postings
        if accounts.is_settled(account)
    ]  # fmt: skip
