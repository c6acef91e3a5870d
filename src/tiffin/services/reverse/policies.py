"""The versions of the rules, as the directory keeps them."""

from datetime import datetime, timedelta

import asyncpg
import msgspec

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.services.reverse.policy import Policies, Policy, Terms
from tiffin.services.reverse.store import QUERIES
from tiffin.storage.node import Node

KNOWN_FOR = timedelta(minutes=1)
"""How long versions are remembered. A new one is made at least five minutes before it begins (the database
sees to that), so nobody works without it."""


async def read_policies(directory: Node) -> Policies:
    """Every version there is."""
    rows = await directory.fetch(QUERIES["policies"])
    return Policies([Policy(row["version"], row["begins_at"], _decode(row["terms"])) for row in rows])


async def add_policy(directory: Node, begins_at: datetime, terms: Terms) -> int:
    """Make the next version. `Refusal("invalid_request")` if it begins too soon, or before another one."""
    try:
        row = await directory.fetchrow(QUERIES["add_policy"], begins_at, _encode(terms).decode())
    except asyncpg.IntegrityConstraintViolationError as error:
        raise Refusal("invalid_request", str(error)) from error
    assert row is not None
    return row["version"]


class KnownPolicies:
    """The versions, remembered for a while."""

    def __init__(self, directory: Node, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._known: tuple[datetime, Policies] | None = None

    async def get(self) -> Policies:
        """All that may have begun by now."""
        now = self._clock()
        if self._known is None or not self._known[0] <= now < self._known[0] + KNOWN_FOR:
            self._known = now, await read_policies(self._directory)
        return self._known[1]


_decode = msgspec.json.Decoder(Terms).decode
_encode = msgspec.json.Encoder().encode
