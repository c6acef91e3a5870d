"""A MariaDB or MySQL database with the old orders. The driver is synchronous, and is asked in a thread."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
from pymysql.cursors import DictCursor

from tiffin.migration.mapping import Mapping
from tiffin.migration.rows import LINES, Row
from tiffin.migration.sources import ROWS_MAX, Count, Load, split_table, with_lines
from tiffin.primitives.errors import Unavailable
from tiffin.storage.queries import load_queries

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 60
SCAN_TIMEOUT_S = 3600

_LOST = (pymysql.err.OperationalError, pymysql.err.InterfaceError, OSError)
_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
_QUERIES = load_queries("tiffin.migration.sources", "mariadb.sql")


class MariadbSource:
    """See `Source`. Only ever reads. One statement at a time."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._connection: pymysql.Connection[DictCursor] | None = None
        self._alone = Lock()  # of threads: who gives up waiting leaves the thread at work
        self._types: dict[str, str] = {}

    async def columns(self, table: str) -> dict[str, str]:
        """As `Source` says."""
        rows = await self._fetch(_QUERIES["columns"], split_table(table))
        return {row["name"]: row["type"] for row in rows}

    async def is_unique(self) -> bool:
        """As `Source` says."""
        place = (*split_table(self._mapping.source.table), self._mapping.source.key)
        return bool(await self._fetch(_QUERIES["is_unique"], place))

    async def states(self) -> Sequence[Count]:
        """As `Source` says. In the collation's terms equal states are told apart."""
        column = _quoted(self._mapping.columns.state)
        query = (
            f"SELECT CAST({column} AS char) AS value, count(*) AS number FROM {self._table()}"  # noqa: S608 - quoted
            f" GROUP BY {column}, BINARY {column} ORDER BY 2 DESC"
        )
        rows = await asyncio.to_thread(self._scan, query)
        return [Count(row["value"], row["number"]) for row in rows]

    async def after(self, key: str | None, limit: int = ROWS_MAX) -> Sequence[Row]:
        """As `Source` says."""
        name = _quoted(self._mapping.source.key)
        where = "" if key is None else f"WHERE {name} > %s"
        query = f"SELECT {self._wanted()} FROM {self._table()} {where} ORDER BY {name} LIMIT %s"  # noqa: S608 - quoted
        before = [] if key is None else await self._keys([key])
        return await self._rows(query, (*before, limit))

    async def of_keys(self, keys: Sequence[str]) -> Sequence[Row]:
        """As `Source` says."""
        return await self._of_keys(keys, self._wanted(), self._rows)

    async def existing(self, keys: Sequence[str]) -> set[str]:
        """As `Source` says."""
        key = self._mapping.source.key
        return {str(row[key]) for row in await self._of_keys(keys, _quoted(key), self._fetch)}

    async def _of_keys(
        self, keys: Sequence[str], columns: str,
        fetch: Callable[[str, Sequence[Any]], Awaitable[Sequence[Row]]],
    ) -> Sequence[Row]:  # fmt: skip
        values = await self._keys(keys)
        if not values:
            return []
        query = (
            f"SELECT {columns} FROM {self._table()}"  # noqa: S608 - quoted
            f" WHERE {_quoted(self._mapping.source.key)} IN %s"
        )
        wanted = set(keys)  # a collation may find more than was asked for
        return [row for row in await fetch(query, (values,)) if str(row[self._mapping.source.key]) in wanted]

    async def load(self) -> Load:
        """As `Source` says. It does not know its replicas' lag."""
        (row,) = await self._fetch(_QUERIES["load"], ())
        return Load(int(row["Value"]) - 1, 0.0)

    async def close(self) -> None:
        """Let go of it."""
        if self._connection is not None and self._connection.open:
            self._connection.close()

    async def _rows(self, query: str, arguments: Sequence[Any]) -> Sequence[Row]:
        types = await self._column_types()
        rows = await self._fetch(query, arguments)
        stamps = [name for name in self._mapping.wanted() if types.get(name, "").startswith("timestamp")]
        for row in rows:
            for name in stamps:  # the session's zone is UTC; a datetime is in whichever the mapping says
                if isinstance(row[name], datetime):
                    row[name] = row[name].replace(tzinfo=UTC)
        items = self._mapping.items
        if items is None or items.table is None or items.order is None or not rows:
            return with_no_lines(rows) if items is not None and items.table is not None else rows
        columns = ", ".join(map(_quoted, (items.order, items.name, items.quantity, items.unit_price)))
        key = self._mapping.source.key
        lines = await self._fetch(
            f"SELECT {columns} FROM {_quoted_table(items.table)} WHERE {_quoted(items.order)} IN %s",  # noqa: S608 - quoted
            ([row[key] for row in rows],),
        )
        return with_lines(rows, key, lines, items.order, LINES)

    async def _keys(self, keys: Sequence[str]) -> list[Any]:
        """As the key's column has them; what cannot be one is left out."""
        type_ = (await self._column_types())[self._mapping.source.key]
        if type_.split("(")[0].split(" ")[0] not in _INTEGERS:
            return list(keys)
        return [int(key) for key in keys if key.removeprefix("-").isdecimal()]

    async def _column_types(self) -> dict[str, str]:
        if not self._types:
            self._types = await self.columns(self._mapping.source.table)
        return self._types

    async def _fetch(self, query: str, arguments: Sequence[Any]) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._ask, query, arguments)

    def _ask(self, query: str, arguments: Sequence[Any]) -> list[dict[str, Any]]:
        """In a thread. A connection that is lost is made anew by the next who asks."""
        with self._alone:
            try:
                if self._connection is None or not self._connection.open:
                    self._connection = _connect(self._mapping.source.url, STATEMENT_TIMEOUT_S)
                return _carry_out(self._connection, query, arguments)
            except _LOST as error:
                if self._connection is not None and self._connection.open:
                    self._connection.close()
                raise self._unavailable(error) from error

    def _scan(self, query: str) -> list[dict[str, Any]]:
        """In a thread: a statement that may take long, on a connection of its own."""
        try:
            with _connect(self._mapping.source.url, SCAN_TIMEOUT_S) as connection:
                return _carry_out(connection, query, ())
        except _LOST as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable("database_unavailable", f"source {self._mapping.name}: {error}")

    def _wanted(self) -> str:
        return ", ".join(_quoted(name) for name in self._mapping.wanted())

    def _table(self) -> str:
        return _quoted_table(self._mapping.source.table)


def with_no_lines(rows: list[dict[str, Any]]) -> Sequence[Row]:
    """Rows, none of which has lines."""
    return [{**row, LINES: []} for row in rows]


def _carry_out(
    connection: "pymysql.Connection[DictCursor]", query: str, arguments: Sequence[Any]
) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query, tuple(arguments))
        return list(cursor.fetchall())


def _connect(url: str, within_s: int) -> "pymysql.Connection[DictCursor]":
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    connection = pymysql.connect(
        host=parts.hostname or "localhost",
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.removeprefix("/")),
        unix_socket=options.get("unix_socket"),  # pyright: ignore[reportArgumentType] - None is taken
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=within_s,
        init_command="SET SESSION time_zone = '+00:00'",
        cursorclass=DictCursor,
    )
    _carry_out(connection, "SET SESSION TRANSACTION READ ONLY", ())
    return connection


def _quoted(name: str) -> str:
    """For the driver's formatting a percent sign is doubled."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def _quoted_table(table: str) -> str:
    schema, name = split_table(table)
    return _quoted(name) if schema is None else f"{_quoted(schema)}.{_quoted(name)}"
