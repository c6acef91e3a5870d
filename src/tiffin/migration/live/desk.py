"""What a migration does in the monolith's database, whichever that is."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from tiffin.migration.stages import Authority, MigrationError

Capture = Literal["library", "triggers", "stream", "off"]
"""How changes are heard of: the monolith notes them, its database does, or its stream tells; or no more."""


class Table(NamedTuple):
    """The old table, and the columns that say which row, in which state, and when that was."""

    url: str
    name: str
    key: str
    revision: str
    updated_at: str


class LiveError(MigrationError):
    """It cannot be done as things stand; the message says what to do."""


@dataclass(frozen=True)
class Settings:
    """The row that the monolith and the follower go by."""

    source: str
    capture: Capture
    authority: Authority
    read_new_percent: float
    read_new_customers: frozenset[str]


class Pending(NamedTuple):
    """Keys of orders that have changed, each once, and what to confirm when they are in Tiffin."""

    keys: Sequence[str]
    token: object


class Backlog(NamedTuple):
    """What has not been fetched yet."""

    orders: int
    """Changes; of a stream 0 or 1, for nobody has counted them."""
    oldest_s: float
    """Age of the oldest; of a stream 0."""
    bytes: int
    """What a stream's slot keeps on the source's disk."""


class Row(NamedTuple):
    """A row of the monolith's table as it is to be."""

    values: Mapping[str, str | None]
    """By column, as text."""
    changing: frozenset[str]
    """Columns that change in an order's life; the others are written only where the row is not there. If the
    revision is not among them it is a number, and counted on."""


class Switch(Protocol):
    """While it is entered nobody writes on either side. What is set commits when it is left, or never."""

    async def set_authority(self, authority: Authority) -> None:
        """Who has the truth once this is left."""
        ...


class Desk(Protocol):
    """A place at the monolith's database. Methods may raise `LiveError`, and what its driver raises."""

    async def prepare(self, source: str, capture: Capture) -> None:
        """Make what the capture needs. Afterwards every change that commits is heard of. Again is no harm."""
        ...

    async def wait_for_writers(self) -> None:
        """Whoever was writing when this began has ended."""
        ...

    async def settings(self) -> Settings | None:
        """None: nothing is prepared."""
        ...

    async def set_reading(self, percent: float, customers: Sequence[str]) -> None:
        """Who reads from Tiffin."""
        ...

    async def note_since(self, revision: str) -> int:
        """Note every order whose revision is as great or greater. How many."""
        ...

    async def pending(self, limit: int) -> Pending:
        """Changes, the oldest first. They come again until they are `done`."""
        ...

    async def done(self, pending: Pending) -> None:
        """They are in Tiffin."""
        ...

    async def backlog(self) -> Backlog: ...

    def switch(self, within_s: float) -> AbstractAsyncContextManager[Switch]:
        """Everybody who writes, on either side, has ended, and the next wait. `LiveError` if that takes
        longer.
        """
        ...

    def share(self) -> AbstractAsyncContextManager[Authority]:
        """Entered with who has the truth; that does not change before this is left. Waits out a switch."""
        ...

    async def changed_since(self, moment: str, limit: int) -> Sequence[str]:
        """Keys of rows that say they were changed then or later."""
        ...

    async def fence(self) -> None:
        """From now on all but this desk are refused who write to the table while it only follows."""
        ...

    async def unfence(self) -> None: ...

    async def write_back(self, rows: Sequence[Row]) -> int | None:
        """Make rows of the table like this, if it follows. What is there and as new is left alone. How many
        changed; None: the table has the truth, and nothing is written."""
        ...

    async def finish(self) -> None:
        """Take away what hears of changes. The settings stay, for those who still ask, and the fence."""
        ...

    async def switch_off(self) -> None:
        """The library notes nothing any more, within a second."""
        ...

    async def forget(self) -> None:
        """Take away everything; of a library a while after it was switched off."""
        ...

    async def close(self) -> None: ...


def settings_of(row: tuple[Any, ...]) -> Settings:
    """Of a row of `tiffin_settings`: source, capture, authority, percent, customers."""
    source, capture, authority, percent, customers = row
    return Settings(source, capture, authority, float(percent), frozenset(json.loads(customers)))
