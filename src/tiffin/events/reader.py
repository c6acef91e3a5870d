"""Reading a node's log in commit order, from a cursor, skipping nothing."""

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple

from tiffin.events.event import Event
from tiffin.storage.node import Connection
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.events")
CHANNEL = "tiffin_log"
BATCH_MAX = 500


class Cursor(NamedTuple):
    """Everything up to (xid, position) has been read; `day` (since the epoch) is when that was written."""

    xid: int
    position: int
    day: int


START = Cursor(0, 0, 1)
"""Before everything."""


async def read(connection: Connection, cursor: Cursor, limit: int = BATCH_MAX) -> list[Event]:
    """The next events after the cursor, at most `limit`, in (xid, position) order.

    `id > last` would skip what commits late. This does not: a row is only given once every transaction
    that could still write an earlier one has ended.
    """
    rows = await connection.fetch(QUERIES["read"], str(cursor.xid), cursor.position, cursor.day, limit)
    return [Event(*row) for row in rows]


class Batch(NamedTuple):
    """What a reader of some types has found."""

    events: list[Event]
    """Of those types."""
    seen: int
    """How many of all types it has passed; 0: nothing is there."""
    oldest_at: datetime | None
    """The moment of the first event, or of one soon after it; None: nothing is there."""
    end: Cursor
    """The cursor behind all of them."""


async def read_of_types(
    connection: Connection, cursor: Cursor, types: Collection[str] | None, limit: int = BATCH_MAX
) -> Batch:
    """As `read`, but of these types only (None: all). Others stay in the database and cost little."""
    if types is None:
        events = await read(connection, cursor, limit)
        return Batch(events, len(events), events[0].at, after(events[-1])) if events else _none(cursor)
    rows = await connection.fetch(
        QUERIES["read_of_types"], str(cursor.xid), cursor.position, cursor.day, limit, list(types)
    )
    if not rows:
        return _none(cursor)
    found = [Event(*tuple(row)[:-1]) for row in rows]
    wanted = found if found[-1].type in types else found[:-1]
    return Batch(wanted, rows[0]["seen"], found[0].at, after(found[-1]))


def _none(cursor: Cursor) -> Batch:
    return Batch([], 0, None, cursor)


async def oldest_after(connection: Connection, cursor: Cursor) -> datetime | None:
    """The moment of the first committed event after the cursor, be it that `read` does not give it yet."""
    return await connection.fetchval(QUERIES["oldest_after"], str(cursor.xid), cursor.position, cursor.day)


def after(event: Event) -> Cursor:
    """The cursor of a reader that has read this event."""
    return Cursor(event.xid, event.position, event.day)


async def end(connection: Connection) -> Cursor:
    """A cursor behind all that is committed now."""
    row = await connection.fetchrow(QUERIES["end"])
    assert row is not None
    return Cursor(row["xid"], row["position"], row["day"])


async def from_moment(connection: Connection, moment: datetime) -> Cursor:
    """A cursor before all that happened from this moment on; something older may come, too."""
    # First: what is written meanwhile is behind it. And what is being written may come before what is found.
    behind_all = await end(connection)
    row = await connection.fetchrow(QUERIES["from_moment"], moment)
    return min(Cursor(row["xid"], row["position"], row["day"]), behind_all) if row else behind_all


async def log_begins(connection: Connection) -> date:
    """The first day that the log still has."""
    days = await connection.fetch(QUERIES["days"])
    return days[0]["day"]
