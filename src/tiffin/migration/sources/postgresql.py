"""A PostgreSQL database with the old orders."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tiffin.migration.mapping import Mapping
from tiffin.migration.rows import LINES, Row
from tiffin.migration.sources import ROWS_MAX, Count, Load, split_table, with_lines
from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import CONNECTION_LOST
from tiffin.storage.queries import load_queries

READERS_MAX = 4
STATEMENT_TIMEOUT_S = 60.0
SCAN_TIMEOUT_S = 3600.0

_QUERIES = load_queries("tiffin.migration.sources", "postgresql.sql")


class PostgresqlSource:
    """See `Source`. Only ever reads."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._key_type: str | None = None

    async def columns(self, table: str) -> dict[str, str]:
        """As `Source` says."""
        schema, name = split_table(table)
        async with self._connection() as connection:
            rows = await connection.fetch(_QUERIES["columns"], schema, name)
        return {row["name"]: row["type"] for row in rows}

    async def is_unique(self) -> bool:
        """As `Source` says."""
        schema, name = split_table(self._mapping.source.table)
        async with self._connection() as connection:
            return bool(
                await connection.fetchval(_QUERIES["is_unique"], schema, name, self._mapping.source.key)
            )

    async def states(self) -> Sequence[Count]:
        """As `Source` says."""
        column = _quoted(self._mapping.columns.state)
        query = f"SELECT {column}::text, count(*) FROM {self._table()} GROUP BY 1 ORDER BY 2 DESC"  # noqa: S608 - quoted
        async with self._connection() as connection:
            return [Count(*row) for row in await connection.fetch(query, timeout=SCAN_TIMEOUT_S)]

    async def after(self, key: str | None, limit: int = ROWS_MAX) -> Sequence[Row]:
        """As `Source` says."""
        name, type_ = _quoted(self._mapping.source.key), await self._type_of_key()
        where = "" if key is None else f"WHERE {name} > CAST($2::text AS {type_})"
        query = f"SELECT {self._wanted()} FROM {self._table()} {where} ORDER BY {name} LIMIT $1"  # noqa: S608 - quoted
        return await self._rows(query, limit, *([] if key is None else [key]))

    async def of_keys(self, keys: Sequence[str]) -> Sequence[Row]:
        """As `Source` says."""
        return await self._of_keys(keys, self._wanted(), self._rows)

    async def existing(self, keys: Sequence[str]) -> set[str]:
        """As `Source` says."""
        key = self._mapping.source.key
        return {str(row[key]) for row in await self._of_keys(keys, _quoted(key), self._fetch)}

    async def _of_keys(
        self, keys: Sequence[str], columns: str, fetch: Callable[..., Awaitable[Sequence[Row]]]
    ) -> Sequence[Row]:
        type_ = await self._type_of_key()
        query = (
            f"SELECT {columns} FROM {self._table()}"  # noqa: S608 - quoted
            f" WHERE {_quoted(self._mapping.source.key)} = ANY(CAST($1::text[] AS {type_}[]))"
        )
        try:
            return await fetch(query, list(keys))
        except asyncpg.DataError:  # one of them can be no key of this type
            if len(keys) == 1:
                return []
            middle = len(keys) // 2
            halves = keys[:middle], keys[middle:]
            return [row for half in halves for row in await self._of_keys(half, columns, fetch)]

    async def load(self) -> Load:
        """As `Source` says."""
        async with self._connection() as connection:
            row = await connection.fetchrow(_QUERIES["load"])
        assert row is not None
        return Load(row["active"], row["lag_s"])

    async def close(self) -> None:
        """Let go of it."""
        if self._pool is not None:
            await self._pool.close()

    async def _fetch(self, query: str, *arguments: Any) -> Sequence[Row]:
        async with self._connection() as connection:
            return await connection.fetch(query, *arguments)

    async def _rows(self, query: str, *arguments: Any) -> Sequence[Row]:
        async with self._connection() as connection:
            rows = [dict(row) for row in await connection.fetch(query, *arguments)]
            items = self._mapping.items
            if items is None or items.table is None or items.order is None:
                return rows
            columns = ", ".join(map(_quoted, (items.order, items.name, items.quantity, items.unit_price)))
            key = self._mapping.source.key
            lines = await connection.fetch(
                f"SELECT {columns} FROM {_quoted_table(items.table)} WHERE {_quoted(items.order)} = ANY($1)",  # noqa: S608 - quoted
                [row[key] for row in rows],
            )
        return with_lines(rows, key, [dict(line) for line in lines], items.order, LINES)

    async def _type_of_key(self) -> str:
        if self._key_type is None:
            columns = await self.columns(self._mapping.source.table)
            self._key_type = columns[self._mapping.source.key]
        return self._key_type

    def _wanted(self) -> str:
        return ", ".join(_quoted(name) for name in self._mapping.wanted())

    def _table(self) -> str:
        return _quoted_table(self._mapping.source.table)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any]:
        try:
            async with self._opening:
                if self._pool is None:
                    self._pool = await asyncpg.create_pool(
                        self._mapping.source.url, min_size=1, max_size=READERS_MAX,
                        command_timeout=STATEMENT_TIMEOUT_S,
                        server_settings={
                            "application_name": "tiffin migrate", "default_transaction_read_only": "on",
                        },
                    )  # fmt: skip
            async with self._pool.acquire() as connection:
                yield connection
        except (*CONNECTION_LOST, asyncpg.InvalidAuthorizationSpecificationError) as error:
            raise Unavailable("database_unavailable", f"source {self._mapping.name}: {error!r}") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted_table(table: str) -> str:
    schema, name = split_table(table)
    return _quoted(name) if schema is None else f"{_quoted(schema)}.{_quoted(name)}"
