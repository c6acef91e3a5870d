"""A node's log alone, and ways to write to it: for tests of its readers."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import asyncpg
import msgspec

from tiffin.events.event import Event
from tiffin.events.reader import START, Cursor, after, read
from tiffin.events.retention import keep_days
from tiffin.rpc import contracts as c
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.migrations import Schema, migrate
from tiffin.storage.node import Connection, Node

_APPEND = """
INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace, day)
SELECT 'customer', 0, 'order', key, version, $5, data, now(), 'request',
       (now() AT TIME ZONE 'UTC')::date + $4::int
  FROM unnest($1::text[], $2::int[], $3::text[]) AS t (key, version, data)
"""


@asynccontextmanager
async def log_node(server: EmbeddedServer) -> AsyncGenerator[Node]:
    """A database with nothing but the log, its coming days made."""
    name = f"log_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{uuid4().hex[:6]}"
    await server.create_database(name)
    node = await Node.open(name, server.url(name))
    await migrate(node, [Schema("log", "tiffin.events")])
    await keep_days(node, retention_days=30)
    yield node
    await node.close()


async def append(
    to: Node | Connection,
    *keys: str,
    days_ago: int = 0,
    restaurant_id: str = "restaurant-1",
    type_: str = "order.accepted",
    version: int = 1,
) -> None:
    """One statement that appends an event of an order for each of these keys."""
    data = [order_event(key, restaurant_id) for key in keys]
    await to.execute(_APPEND, list(keys), [version] * len(keys), data, -days_ago, type_)


def order_event(order_id: str, restaurant_id: str = "restaurant-1") -> str:
    """The JSON of an event."""
    event = c.OrderEvent(
        order_id=order_id, version=1, type="order.accepted", from_state="awaiting_acceptance",
        to_state="preparing", actor=c.Caller(role="restaurant", id=restaurant_id),
        at="2026-06-01T12:00:00.000Z", request_id="request", customer_id="customer-1",
        restaurant_id=restaurant_id,
    )  # fmt: skip
    return msgspec.json.encode(event).decode()


async def read_until(
    node: Node, number: int, cursor: Cursor = START, limit: int = 500
) -> tuple[list[Event], Cursor]:
    """Read on until so many have come. Other databases' transactions may hold them back for a moment."""
    events: list[Event] = []
    while len(events) < number:
        async with node.connection() as connection:
            batch = await read(connection, cursor, limit)
        events += batch
        if batch:
            cursor = after(batch[-1])
        else:
            await asyncio.sleep(0.002)
    return events, cursor


async def all_committed(node: Node) -> list[str]:
    """Every key in the log, in the order in which readers get them."""
    rows = await node.fetch("SELECT key FROM log.events ORDER BY xid, position")
    return [row["key"] for row in rows]


async def until(condition: Callable[[], bool]) -> None:
    """Let everybody work until it is so; the test's timeout ends what never comes."""
    while not condition():
        await asyncio.sleep(0.002)


async def leaders(node: Node) -> list[int]:
    """Server processes of runners that lead."""
    rows = await node.fetch(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return [row["pid"] for row in rows]


async def terminate(node: Node, pids: Sequence[int]) -> None:
    """End server processes, and wait until they are gone."""
    for pid in pids:
        await node.fetchrow("SELECT pg_terminate_backend($1, 5000)", pid)


async def make_old_day(node: Node, days_ago: int, *keys: str) -> date:
    """A partition of a past day with events in it."""
    day = today() - timedelta(days=days_ago)
    await node.execute(
        f"CREATE TABLE IF NOT EXISTS log.events_{day:%Y%m%d} PARTITION OF log.events"
        f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    )
    if keys:
        await append(node, *keys, days_ago=days_ago)
    return day


def today() -> date:
    """By the clock that the database on this machine has too."""
    return datetime.now(UTC).date()


async def days(node: Node) -> list[date]:
    """The days that the log has partitions for."""
    rows = await node.fetch(
        "SELECT to_date(right(relname, 8), 'YYYYMMDD') AS day FROM pg_class"
        " WHERE relkind = 'r' AND relname LIKE 'events\\_%' ORDER BY 1"
    )
    return [row["day"] for row in rows]


@asynccontextmanager
async def transaction(node: Node) -> AsyncGenerator[asyncpg.Connection]:
    """A connection of one's own with a transaction that has its xid; rolled back unless committed."""
    connection = await asyncpg.connect(node.url)
    try:
        await connection.execute("BEGIN")
        await connection.fetchval("SELECT pg_current_xact_id()::text")
        yield connection
    finally:
        await connection.close()
