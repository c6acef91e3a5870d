"""When the others are told of an erasure. Pure."""

from datetime import datetime, timedelta

ROUNDS = (timedelta(minutes=1), timedelta(days=1), timedelta(days=3), timedelta(days=10))
"""After the first time, which is at once. The first of these catches what was on its way when the person was
erased, the others the addresses of orders that were open: when the last comes every order has ended."""


def next_round(erased_at: datetime, told: int) -> datetime | None:
    """When it is told again, having been told so many times; None: never."""
    return erased_at + ROUNDS[told - 1] if told <= len(ROUNDS) else None
