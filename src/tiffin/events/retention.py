"""The log's days: partitions made ahead, and dropped whole when they are old and read by everyone.

With them go the days of the inbox, some time later, and dead letters that have been settled.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
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

Needed = Callable[[Node, date], Awaitable[Sequence[str]]]
"""Keys of a stream whose events of a day are to stay when the day is dropped."""

_Kept = Mapping[date, Mapping[str, Sequence[str]]]
"""Of each day that may go, by stream, the keys whose events stay."""


async def keep_days(
    node: Node, retention_days: int, histories: Mapping[str, Needed] | None = None
) -> list[date]:
    """Make the partitions of the coming week; drop days older than `retention_days`. Returns those dropped.

    A day that a reader still needs is kept, however old. Days go by the database's clock, in UTC.
    `histories`: streams whose events outlive their days where they are needed; they stay beside the log.
    Safe to run twice and by two processes at once. `Unavailable("database_busy")`: somebody has been reading
    the log for long; nothing was done.
    """
    try:
        histories = histories or {}
        kept = {
            day: {stream: await needed(node, day) for stream, needed in histories.items()}
            for day in await _days_to_drop(node, retention_days)
        }
        dropped = await _keep_days(node, retention_days, kept, list(histories))
    except asyncpg.LockNotAvailableError as error:
        raise Unavailable("database_busy", f"the log of node {node.name} is in use") from error
    for day in dropped:
        _log.info("log_day_dropped", node=node.name, day=str(day))
    return dropped


async def _days_to_drop(node: Node, retention_days: int) -> list[date]:
    row = await node.fetchrow(_QUERIES["today"])
    assert row is not None
    before: date = row["today"] - timedelta(days=retention_days)
    if row["furthest_behind"]:  # a reader opens the day before its cursor's too: that one stays with it
        before = min(before, row["furthest_behind"] - timedelta(days=1))
    return [record["day"] for record in await node.fetch(_QUERIES["days"]) if record["day"] < before]


async def _keep_days(node: Node, retention_days: int, kept: _Kept, streams: Collection[str]) -> list[date]:
    """What stays of a day is put beside the log in the transaction that drops it: it is never in both."""
    dropped: list[date] = []
    async with node.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        row = await connection.fetchrow(_QUERIES["today"])
        assert row is not None
        today: date = row["today"]
        present = {record["day"]: record["name"] for record in await connection.fetch(_QUERIES["days"])}
        await _make_days(connection, "events", present, today)
        for day, keys_by_stream in kept.items():
            if day in present:
                for stream, keys in keys_by_stream.items():
                    await connection.execute(_QUERIES["keep_events"], day, stream, keys)
                await connection.execute(f"DROP TABLE log.{present[day]}")
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
