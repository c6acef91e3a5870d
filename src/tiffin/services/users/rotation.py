"""Which key signs now, when the next is wanted, and until when an old one still counts. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

AHEAD = timedelta(minutes=1)
"""A key is known so long before it signs: by then every gateway has heard of it."""
SKEW = timedelta(minutes=1)
"""By how much clocks of the platform may differ."""


class Known(NamedTuple):
    """A key as rotation sees it."""

    kid: str
    signs_from: datetime


def signer(keys: Sequence[Known], now: datetime) -> Known | None:
    """The key that signs: of those whose time has come, the last. `keys` from old to new."""
    begun = [key for key in keys if key.signs_from <= now]
    return begun[-1] if begun else None


def next_signs_from(keys: Sequence[Known], now: datetime, age: timedelta) -> datetime | None:
    """When a new key should begin to sign; None: no new one is wanted yet."""
    if not keys or signer(keys, now) is None:
        return now
    if keys[-1].signs_from + age <= now + AHEAD:
        return now + AHEAD
    return None


def retired(keys: Sequence[Known], now: datetime, token_lifetime: timedelta) -> list[str]:
    """Keys that have signed nothing valid: their successors sign for longer than a token lasts."""
    return [
        key.kid for key, successor in pairwise(keys) if successor.signs_from + token_lifetime + SKEW <= now
    ]
