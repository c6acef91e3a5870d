"""Reading a node's log in commit order, from a cursor, skipping nothing."""

from datetime import datetime
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
