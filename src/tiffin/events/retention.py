"""The log's days: partitions made ahead, and dropped whole when they are old and read by everyone.

With them go the days of the inbox, some time later, and dead letters that have been settled.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import date, timedelta

import asyncpg
import structlog

from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

DAYS_AHEAD = 7
MARKS_LONGER = timedelta(days=7)
"""So much longer than events their marks are kept: what comes late through a broker finds them."""
LOCK_TIMEOUT_MS = 500
"""Making and dropping partitions locks the log. Behind whoever waits for that lock every writer waits too."""

_QUERIES = load_queries("tiffin.events")
_LOCK = 0x7469666603
_log = structlog.get_logger()


Keep = Callable[[Node, date], Awaitable[None]]
"""Puts what a day says of a stream where it stays, before the day is dropped. Doing it again is harmless."""


async def keep_days(
    node: Node, retention_days: int, histories: Mapping[str, Keep] | None = None
) -> list[date]:
    """Make the partitions of the coming week; drop days older than `retention_days`. Returns those dropped.

    A day that a reader still needs is kept, however old. Days go by the database's clock, in UTC.
    `histories`: streams whose events outlive their days, in `log.moved` or elsewhere, and who sees to that.
    Safe to run twice and by two processes at once. `Unavailable("database_busy")`: somebody has been reading
    the log for long; nothing was done.
    """
    try:
        histories = histories or {}
        kept = await _old_days(node, retention_days)
        for day in kept:
            for keep in histories.values():
                await keep(node, day)
        dropped = await _keep_days(node, retention_days, kept, list(histories))
    except asyncpg.LockNotAvailableError as error:
        raise Unavailable("database_busy", f"the log of node {node.name} is in use") from error
    for day in dropped:
        _log.info("log_day_dropped", node=node.name, day=str(day))
    return dropped


async def _old_days(node: Node, retention_days: int) -> list[date]:
    row = await node.fetchrow(_QUERIES["today"])
    assert row is not None
    oldest: date = row["today"] - timedelta(days=retention_days)
    return [record["day"] for record in await node.fetch(_QUERIES["days"]) if record["day"] < oldest]


async def _keep_days(
    node: Node, retention_days: int, may_go: Collection[date], streams: Collection[str]
) -> list[date]:
    dropped: list[date] = []
    async with node.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        row = await connection.fetchrow(_QUERIES["today"])
        assert row is not None
        today: date = row["today"]
        present = {record["day"]: record["name"] for record in await connection.fetch(_QUERIES["days"])}
        await _make_days(connection, "events", present, today)
        # A reader opens the day before its cursor's too: that one stays with it.
        unread = row["furthest_behind"] - timedelta(days=1) if row["furthest_behind"] else None
        for day, name in present.items():
            if day in may_go and (unread is None or day < unread):
                await connection.execute(f"DROP TABLE log.{name}")
                dropped.append(day)
        oldest = min(present.keys() - set(dropped), default=today)
        await _keep_marks(
            connection, today, min(oldest, today - timedelta(days=retention_days)) - MARKS_LONGER
        )
        await connection.execute(_QUERIES["forget_letters"], timedelta(days=retention_days))
        await connection.execute(_QUERIES["forget_moved"], timedelta(days=retention_days), streams)
    return dropped


async def _keep_marks(connection: Connection, today: date, before: date) -> None:
    """The days of the inbox; what is marked of days before this one goes."""
    marked = {record["day"]: record["name"] for record in await connection.fetch(_QUERIES["days_of_marks"])}
    await _make_days(connection, "inbox", marked, today)
    for day, name in marked.items():
        if day < before:
            await connection.execute(f"DROP TABLE log.{name}")
    await connection.execute(_QUERIES["forget_marks"], before)


async def _make_days(connection: Connection, table: str, present: Collection[date], today: date) -> None:
    """Yesterday, today and the coming week, where missing."""
    for offset in range(-1, DAYS_AHEAD + 1):
        day = today + timedelta(days=offset)
        if day not in present:
            await connection.execute(
                f"CREATE TABLE log.{table}_{day:%Y%m%d} PARTITION OF log.{table}"
                f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            )
