"""The desk at a source of MariaDB or MySQL. The driver is synchronous, and is asked in a thread."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql

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
from tiffin.migration.stages import Authority
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.migration.live", "mariadb.sql")
CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 60
FENCE_WITHIN_S = 5
"""So long one transaction may keep a trigger from being made, and that all other writers."""
EVENTS = ("INSERT", "UPDATE", "DELETE")
_LOCK_WAIT_TIMEOUT = 1205


class MariadbDesk:
    """See `Desk`. One connection, and one more while the truth changes sides."""

    def __init__(self, table: Table) -> None:
        self._url = table.url
        self._table, self._key, self._revision = _quoted(table.name), table.key, table.revision
        self._connection = _Connection(table.url)
        names = {
            "{table}": self._table, "{key}": _quoted(table.key), "{changed}": _quoted(table.revision),
            "{updated}": _quoted(table.updated_at),
        }  # fmt: skip
        self._queries = {name: _filled(query, names) for name, query in _QUERIES.items()}

    @classmethod
    async def open(cls, table: Table, source: str) -> "MariadbDesk":
        """Connect."""
        desk = cls(table)
        await desk._connection.ask("SELECT 1")
        return desk

    async def prepare(self, source: str, capture: Capture) -> None:
        """See `Desk`."""
        if capture == "stream":
            raise LiveError("a stream is read of PostgreSQL alone: use triggers")
        await self._connection.ask(self._queries["prepare_1"])
        await self._connection.ask(self._queries["prepare_2"])
        await self._connection.ask(self._queries["begin"], source, capture)
        await self._connection.ask(self._queries["begin_again"], capture)
        settings = await self.settings()
        if settings is None or settings.source != source:
            raise LiveError("another migration is at work in this database: `tiffin migrate finish` ends it")
        if settings.capture != capture:
            raise LiveError(f"changes are heard of by {settings.capture} already: go on with that")
        if capture == "triggers":
            await self._trigger("note", self._notes())

    async def wait_for_writers(self) -> None:
        """Whoever was writing when this began has ended."""
        async with self._other() as connection:
            await connection.ask(f"LOCK TABLES {self._table} READ")
            await connection.ask("UNLOCK TABLES")

    async def settings(self) -> Settings | None:
        """See `Desk`."""
        ((is_prepared,),) = await self._connection.ask(self._queries["is_prepared"])
        if not is_prepared:
            return None
        rows = await self._connection.ask(self._queries["settings"])
        return settings_of(rows[0]) if rows else None

    async def set_reading(self, percent: float, customers: Sequence[str]) -> None:
        """See `Desk`."""
        await self._connection.ask(self._queries["set_reading"], percent, json.dumps(sorted(customers)))

    async def note_since(self, revision: str) -> int:
        """See `Desk`."""
        return await self._connection.do(self._queries["note_since"], _without_offset(revision))

    async def pending(self, limit: int) -> Pending:
        """See `Desk`."""
        rows = await self._connection.ask(self._queries["pending"], limit)
        return Pending(list(dict.fromkeys(row[1] for row in rows)), [row[0] for row in rows])

    async def done(self, pending: Pending) -> None:
        """See `Desk`."""
        if pending.token:
            await self._connection.ask(self._queries["done"], pending.token)

    async def backlog(self) -> Backlog:
        """See `Desk`."""
        ((orders, oldest_s),) = await self._connection.ask(self._queries["backlog"])
        return Backlog(orders, float(oldest_s), 0)

    @asynccontextmanager
    async def switch(self, within_s: float) -> AsyncGenerator["_Switch"]:
        """See `Desk`."""
        async with self._other() as connection:
            await connection.ask(f"SET SESSION innodb_lock_wait_timeout = {max(1, round(within_s))}")
            await connection.ask("START TRANSACTION")
            try:
                await connection.ask(self._queries["hold_all"])
            except pymysql.err.OperationalError as error:
                if error.args[0] != _LOCK_WAIT_TIMEOUT:
                    raise
                raise LiveError(
                    f"somebody has been writing for more than {within_s:g} s: try again"
                ) from None
            yield _Switch(connection, self._queries)
            await connection.ask("COMMIT")

    @asynccontextmanager
    async def share(self) -> AsyncGenerator[Authority]:
        """See `Desk`."""
        async with self._other() as connection:
            await connection.ask("START TRANSACTION")
            ((authority,),) = await connection.ask(self._queries["hold"])
            yield authority

    async def changed_since(self, moment: str, limit: int) -> Sequence[str]:
        """See `Desk`."""
        return [
            row[0]
            for row in await self._connection.ask(
                self._queries["changed_since"], _without_offset(moment), limit
            )
        ]

    async def fence(self) -> None:
        """See `Desk`."""
        await self._trigger("fence", dict.fromkeys(EVENTS, ""))

    async def unfence(self) -> None:
        """See `Desk`."""
        await self._drop_trigger("fence")

    async def write_back(self, rows: Sequence[Row]) -> int | None:
        """See `Desk`. Values go as text and become what the columns are."""
        if not rows:
            return 0
        async with self._other() as connection:
            await connection.ask("SET @tiffin_follows = 1")
            await connection.ask("START TRANSACTION")
            changed = 0
            if tuple(await connection.ask(self._queries["authority"])) != (("new",),):
                return None
            for row in rows:
                changed += await self._write(connection, row)
            await connection.ask("COMMIT")
        return changed

    async def finish(self) -> None:
        """See `Desk`."""
        await self.fence()
        await self._drop()

    async def _drop(self) -> None:
        await self._drop_trigger("note")
        await self._connection.ask(self._queries["drop_1"])

    async def switch_off(self) -> None:
        """See `Desk`."""
        await self._connection.ask(self._queries["switch_off"])

    async def forget(self) -> None:
        """See `Desk`."""
        await self._drop()
        await self.unfence()
        await self._connection.ask(self._queries["drop_settings"])

    async def close(self) -> None:
        """Leave."""
        await self._connection.close()

    async def _write(self, connection: "_Connection", row: Row) -> int:
        values = {name: _without_offset(value) for name, value in row.values.items()}
        key = values[self._key]
        is_there = f"SELECT 1 FROM {self._table} WHERE {_quoted(self._key)} = %s FOR UPDATE"  # noqa: S608 - quoted
        if not await connection.ask(is_there, key):
            names, marks = ", ".join(map(_quoted, values)), ", ".join(["%s"] * len(values))
            insert = f"INSERT INTO {self._table} ({names}) VALUES ({marks})"  # noqa: S608 - quoted
            return await connection.do(insert, *values.values())
        changing = sorted(row.changing)
        new = [values[name] for name in changing]
        settings = [f"{_quoted(name)} = %s" for name in changing]
        revision = _quoted(self._revision)
        if self._revision in row.changing:
            where, guards = f"{revision} < %s", [values[self._revision]]
        else:
            settings.append(f"{revision} = {revision} + 1")
            where, guards = f"NOT ({' AND '.join(f'{_quoted(name)} <=> %s' for name in changing)})", new
        update = f"UPDATE {self._table} SET {', '.join(settings)} WHERE {_quoted(self._key)} = %s AND {where}"  # noqa: S608
        return await connection.do(update, *new, key, *guards)

    def _notes(self) -> dict[str, str]:
        """What a trigger does after each event."""
        key = _quoted(self._key)
        old, new = (f"INSERT INTO tiffin_outbox (legacy_id) VALUES ({row}.{key});" for row in ("OLD", "NEW"))  # noqa: S608
        changed = f"IF OLD.{key} <> NEW.{key} THEN {new} END IF;"
        return {"INSERT": new, "UPDATE": f"{old} {changed}", "DELETE": old}

    async def _trigger(self, what: str, then: Mapping[str, str]) -> None:
        async with self._other() as connection:
            await connection.ask(f"SET SESSION lock_wait_timeout = {FENCE_WITHIN_S}")
            for event in EVENTS:
                marks = {"{what}": what, "{event}": event, "{then}": then[event]}
                await connection.ask(_filled(self._queries["drop_trigger"], marks))
                await connection.ask(_filled(self._queries["trigger"], marks))

    async def _drop_trigger(self, what: str) -> None:
        for event in EVENTS:
            await self._connection.ask(
                _filled(self._queries["drop_trigger"], {"{what}": what, "{event}": event})
            )

    @asynccontextmanager
    async def _other(self) -> AsyncGenerator["_Connection"]:
        """A connection for this alone; what is not committed is rolled back."""
        connection = _Connection(self._url)
        try:
            yield connection
        finally:
            await connection.close()


class _Switch:
    def __init__(self, connection: "_Connection", queries: Mapping[str, str]) -> None:
        self._connection = connection
        self._queries = queries

    async def set_authority(self, authority: Authority) -> None:
        """See `Switch`."""
        await self._connection.ask(self._queries["set_authority"], authority)


class _Connection:
    """One statement at a time, each in a thread; made when it is first asked, and anew when it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._alone = asyncio.Lock()
        self._connection: Any = None

    async def ask(self, query: str, *arguments: object) -> Sequence[Any]:
        """The rows."""
        return (await self._run(query, arguments))[0]

    async def do(self, query: str, *arguments: object) -> int:
        """How many rows it has changed."""
        return (await self._run(query, arguments))[1]

    async def close(self) -> None:
        """Gives up what is not committed."""
        async with self._alone:
            if self._connection is not None and self._connection.open:
                await asyncio.to_thread(self._connection.close)

    async def _run(self, query: str, arguments: Sequence[object]) -> tuple[Sequence[Any], int]:
        async with self._alone:
            return await asyncio.to_thread(self._carry_out, query, arguments)

    def _carry_out(self, query: str, arguments: Sequence[object]) -> tuple[Sequence[Any], int]:
        if self._connection is None or not self._connection.open:
            self._connection = _connect(self._url)
        with self._connection.cursor() as cursor:
            cursor.execute(query, arguments or None)
            return cursor.fetchall(), cursor.rowcount


def _connect(url: str) -> Any:
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname or "localhost", port=parts.port or 3306, user=unquote(parts.username or ""),
        password=unquote(parts.password or ""), database=unquote(parts.path.removeprefix("/")),
        charset="utf8mb4", autocommit=True, connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=STATEMENT_TIMEOUT_S, init_command="SET SESSION time_zone = '+00:00'",
    )  # fmt: skip


def _without_offset(value: str | None) -> str | None:
    """A time of its columns names no zone."""
    if value is not None and len(value) == 32 and value[10] == " " and value[26] in "+-":
        return value[:26]
    return value


def _quoted(name: str) -> str:
    return ".".join("`" + part.replace("`", "``") + "`" for part in name.split("."))


def _filled(query: str, names: Mapping[str, str]) -> str:
    for mark, name in names.items():
        query = query.replace(mark, name)
    return query
