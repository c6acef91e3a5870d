"""A table of versions on the directory, and what is remembered of it."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import asyncpg
import msgspec

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.primitives.versions import Of, Versions
from tiffin.storage.node import Node

Body = TypeVar("Body")

KNOWN_FOR = timedelta(minutes=1)
"""How long versions are remembered. A new one is made at least five minutes before it begins (the database
sees to that), so nobody works without it."""


class VersionsTable(Generic[Body, Of]):
    """Reads and adds versions. What one says is stored as JSON."""

    def __init__(
        self, all_: str, add: str, body: type[Body], make: Callable[[int, datetime, Body], Of]
    ) -> None:
        """`all_` and `add`: the statements, of columns version, begins_at and body. `make` takes a number, a
        beginning and what the version says."""
        self._all, self._add, self._make = all_, add, make
        self._decode = msgspec.json.Decoder(body).decode
        self._encode = msgspec.json.Encoder().encode

    async def read(self, directory: Node) -> Versions[Of]:
        """Every version there is."""
        rows = await directory.fetch(self._all)
        return Versions(
            [self._make(row["version"], row["begins_at"], self._decode(row["body"])) for row in rows]
        )

    async def add(self, directory: Node, begins_at: datetime, body: Body) -> int:
        """Make the next version. `Refusal("invalid_request")` if it begins too soon, or before another."""
        try:
            row = await directory.fetchrow(self._add, begins_at, self._encode(body).decode())
        except asyncpg.IntegrityConstraintViolationError as error:
            raise Refusal("invalid_request", str(error)) from error
        assert row is not None
        return row["version"]


class KnownVersions(Generic[Of]):
    """The versions, remembered for a while."""

    def __init__(
        self, read: Callable[[Node], Awaitable[Versions[Of]]], directory: Node, clock: Clock
    ) -> None:
        self._read = read
        self._directory = directory
        self._clock = clock
        self._known: tuple[datetime, Versions[Of]] | None = None

    async def get(self) -> Versions[Of]:
        """All that may have begun by now."""
        now = self._clock()
        if self._known is None or not self._known[0] <= now < self._known[0] + KNOWN_FOR:
            self._known = now, await self._read(self._directory)
        return self._known[1]
