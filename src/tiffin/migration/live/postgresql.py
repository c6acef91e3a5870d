"""The desk at a PostgreSQL source."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tiffin.migration.live.desk import (
    Backlog,
    Capture,
    LiveError,
    Pending,
    Row,
    Settings,
    Table,
    settings_of,
)
from tiffin.migration.live.pgoutput import read_changes
from tiffin.migration.stages import Authority
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.migration.live", "postgresql.sql")
CONNECTIONS_MAX = 4
CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 60.0
FENCE_WITHIN_MS = 5000
"""So long one transaction may keep a trigger from being made, and that all other writers."""
Connection = Any  # asyncpg.Connection is generic to type checkers alone


class PostgresqlDesk:
    """See `Desk`. A few connections, and one more while the truth changes sides."""

    def __init__(self, table: Table, slot: str, pool: Any) -> None:
        self._url = table.url
        self._key, self._revision, self._updated, self._slot = (
            table.key,
            table.revision,
            table.updated_at,
            slot,
        )
        self._table = _quoted(table.name)
        names = {
            "{table}": self._table, "{key}": _quoted(table.key), "{changed}": _quoted(table.revision),
            "{updated}": _quoted(table.updated_at), "{slot}": _quoted(slot),
        }  # fmt: skip
        self._queries = {name: _filled(query, names) for name, query in _QUERIES.items()}
        self._pool: Any = pool
        self._types: dict[str, str] = {}

    @classmethod
    async def open(cls, table: Table, source: str) -> "PostgresqlDesk":
        """Connect."""
        pool = await asyncpg.create_pool(
            table.url, min_size=1, max_size=CONNECTIONS_MAX, timeout=CONNECT_TIMEOUT_S,
            command_timeout=STATEMENT_TIMEOUT_S, server_settings=_SETTINGS,
        )  # fmt: skip
        return cls(table, f"tiffin_{source.replace('-', '_')}", pool)

    async def prepare(self, source: str, capture: Capture) -> None:
        """See `Desk`. What is there already stays as it is, but for the capture."""
        ask = self._pool
        await ask.execute(self._queries["prepare"])
        await ask.execute(self._queries["begin"], source, capture)
        settings = await self.settings()
        if settings is None or settings.source != source:
            raise LiveError(
                "another migration is at work in this database: end it by `tiffin migrate finish`"
            )
        if settings.capture != capture:
            raise LiveError(f"changes are heard of by {settings.capture} already: go on with that")
        if capture == "triggers":
            await ask.execute(self._queries["note_triggers"])
        elif capture == "stream":
            await self._open_stream()

    async def wait_for_writers(self) -> None:
        """Whoever was writing when this began has ended."""
        async with self._transaction() as connection:
            await connection.execute(self._queries["wait_for_writers"])

    async def settings(self) -> Settings | None:
        """See `Desk`."""
        if not await self._pool.fetchval(self._queries["is_prepared"]):
            return None
        row = await self._pool.fetchrow(self._queries["settings"])
        return settings_of(tuple(row)) if row else None

    async def set_reading(self, percent: float, customers: Sequence[str]) -> None:
        """See `Desk`."""
        await self._pool.execute(self._queries["set_reading"], percent, json.dumps(sorted(customers)))

    async def note_since(self, revision: str) -> int:
        """See `Desk`."""
        query = await self._typed("note_since", self._revision)
        done = await self._pool.execute(query, revision)
        return int(done.split()[-1])

    async def pending(self, limit: int) -> Pending:
        """See `Desk`: noted keys, or whole transactions of the stream."""
        rows = await self._pool.fetch(self._queries["pending"], limit)
        if rows:
            keys = dict.fromkeys(row["legacy_id"] for row in rows)
            return Pending(list(keys), [row["position"] for row in rows])
        if not await self._has_slot():
            return Pending([], None)
        until = await self._pool.fetchval(self._queries["current_lsn"])
        messages = await self._pool.fetch(self._queries["peek"], self._slot, limit)
        changes = read_changes((row["data"] for row in messages), self._key)
        return Pending(list(changes.keys), changes.end_lsn or until)

    async def done(self, pending: Pending) -> None:
        """See `Desk`."""
        if isinstance(pending.token, str):
            await self._pool.execute(self._queries["advance"], self._slot, pending.token)
        elif pending.token is not None:
            await self._pool.execute(self._queries["done"], pending.token)

    async def backlog(self) -> Backlog:
        """See `Desk`."""
        row = await self._pool.fetchrow(self._queries["backlog"])
        behind = await self._pool.fetchval(self._queries["behind"], self._slot) or 0
        return Backlog(row["orders"], row["oldest_s"], behind)

    @asynccontextmanager
    async def switch(self, within_s: float) -> AsyncGenerator["_Switch"]:
        """See `Desk`. The lock is a table's, for these are given in turn: no stream of writers starves it."""
        connection = await _connect(self._url)
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {int(within_s * 1000)}")
                await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
                await connection.execute(self._queries["hold_all"])
                yield _Switch(connection, self._queries)
        except asyncpg.LockNotAvailableError:
            raise LiveError(f"somebody has been writing for more than {within_s:g} s: try again") from None
        finally:
            await connection.close()

    @asynccontextmanager
    async def share(self) -> AsyncGenerator[Authority]:
        """See `Desk`."""
        connection = await _connect(self._url)
        try:
            async with connection.transaction():
                yield await connection.fetchval(self._queries["hold"])
        finally:
            await connection.close()

    async def changed_since(self, moment: str, limit: int) -> Sequence[str]:
        """See `Desk`."""
        query = await self._typed("changed_since", self._updated)
        rows = await self._pool.fetch(query, moment, limit)
        return [row[0] for row in rows]

    async def fence(self) -> None:
        """See `Desk`."""
        async with self._transaction() as connection:
            await connection.execute(f"SET LOCAL lock_timeout = {FENCE_WITHIN_MS}")
            await connection.execute(self._queries["fence"])

    async def unfence(self) -> None:
        """See `Desk`."""
        await self._pool.execute(self._queries["unfence"])

    async def write_back(self, rows: Sequence[Row]) -> int | None:
        """See `Desk`. Values go as text and become what the columns are."""
        if not rows:
            return 0
        types = await self._column_types()
        changed = 0
        async with self._transaction() as connection:
            if await connection.fetchval(self._queries["authority"]) != "new":
                return None
            await connection.fetchval(self._queries["follows"])
            for row in rows:
                names = [_quoted(name) for name in row.values]
                values = [f"${place}::text::{types[name]}" for place, name in enumerate(row.values, 1)]
                upsert = (
                    f"INSERT INTO {self._table} AS t ({', '.join(names)}) VALUES ({', '.join(values)})"  # noqa: S608
                    f" ON CONFLICT ({_quoted(self._key)}) DO UPDATE {self._change(row)}"
                )
                done = await connection.execute(upsert, *row.values.values())
                changed += int(done.split()[-1])
        return changed

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Connection]:
        async with self._pool.acquire() as connection, connection.transaction():
            yield connection

    def _change(self, row: Row) -> str:
        """What becomes of a row that is there."""
        names = [_quoted(name) for name in sorted(row.changing)]
        settings = [f"{name} = excluded.{name}" for name in names]
        revision = _quoted(self._revision)
        if self._revision in row.changing:
            return f"SET {', '.join(settings)} WHERE t.{revision} < excluded.{revision}"
        differs = " OR ".join(f"t.{name} IS DISTINCT FROM excluded.{name}" for name in names)
        return f"SET {', '.join(settings)}, {revision} = t.{revision} + 1 WHERE {differs}"

    async def finish(self) -> None:
        """See `Desk`."""
        await self.fence()
        await self._drop()

    async def _drop(self) -> None:
        await self._pool.execute(self._queries["drop"])
        await self._pool.fetch(self._queries["drop_slot"], self._slot)
        await self._pool.execute(self._queries["unpublish"])

    async def switch_off(self) -> None:
        """See `Desk`."""
        await self._pool.execute(self._queries["switch_off"])

    async def forget(self) -> None:
        """See `Desk`."""
        await self._drop()
        await self.unfence()
        await self._pool.execute(self._queries["drop_settings"])

    async def close(self) -> None:
        """Leave."""
        await self._pool.close()

    async def _open_stream(self) -> None:
        if not await self._pool.fetchval(self._queries["can_stream"]):
            raise LiveError("the server keeps no stream: set wal_level = logical, or use triggers")
        if not await self._pool.fetchval(self._queries["has_publication"], self._slot):
            await self._pool.execute(self._queries["publish"])
        await self._pool.fetch(self._queries["create_slot"], self._slot)

    async def _has_slot(self) -> bool:
        return await self._pool.fetchval(self._queries["behind"], self._slot) is not None

    async def _typed(self, query: str, column: str) -> str:
        """With its first argument, a text, as what the column is."""
        types = await self._column_types()
        return self._queries[query].replace("$1", f"$1::text::{types[column]}")

    async def _column_types(self) -> Mapping[str, str]:
        if not self._types:
            rows = await self._pool.fetch(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
                self._table,
            )
            self._types = {row[0]: row[1] for row in rows}
        return self._types


class _Switch:
    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        self._connection = connection
        self._queries = queries

    async def set_authority(self, authority: Authority) -> None:
        """See `Switch`."""
        await self._connection.execute(self._queries["set_authority"], authority)


async def _connect(url: str) -> Connection:
    return await asyncpg.connect(
        url, timeout=CONNECT_TIMEOUT_S, command_timeout=STATEMENT_TIMEOUT_S, server_settings=_SETTINGS
    )


_SETTINGS = {"application_name": "tiffin migrate", "timezone": "UTC"}


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def _filled(query: str, names: Mapping[str, str]) -> str:
    for mark, name in names.items():
        query = query.replace(mark, name)
    return query
