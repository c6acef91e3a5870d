"""One PostgreSQL database of the platform and the connections to it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from tiffin.primitives.errors import Unavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 10.0
READERS_MAX = 6

CONNECTION_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
)
"""What asyncpg raises when the server, not the statement, is at fault."""

_NO_ENTRY = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


class _StatelessConnection(asyncpg.Connection):
    """A connection that keeps no session state, so nothing has to be reset when it goes back to the pool."""

    def get_reset_query(self) -> str:
        return ""


class Node:
    """A database by name, with a pool for reads and short statements.

    Statements that lose the server raise `Unavailable("database_unavailable")`.
    """

    def __init__(self, name: str, url: str, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.name = name
        self.url = url
        self._pool = pool
        self._closers: list[Callable[[], Awaitable[None]]] = []

    @classmethod
    async def open(cls, name: str, url: str, readers_max: int = READERS_MAX) -> "Node":
        """Connect. `Unavailable` if nobody answers within `CONNECT_TIMEOUT_S`."""
        return await cls._open(name, url, 1, readers_max)

    @classmethod
    async def open_later(cls, name: str, url: str) -> "Node":
        """A node that connects when it is first asked for something."""
        return await cls._open(name, url, 0, READERS_MAX)

    @classmethod
    async def _open(cls, name: str, url: str, readers_min: int, readers_max: int) -> "Node":
        try:
            pool = await asyncpg.create_pool(
                url, min_size=readers_min, max_size=readers_max, connection_class=_StatelessConnection,
                timeout=CONNECT_TIMEOUT_S, command_timeout=STATEMENT_TIMEOUT_S,
                server_settings=_SETTINGS,
            )  # fmt: skip
        except CONNECTION_LOST as error:
            raise Unavailable("database_unavailable", f"node {name}: {error}") from error
        return cls(name, url, pool)

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """The rows of one statement."""
        async with self.connection() as connection:
            return await connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row of one statement, if any."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *arguments)

    async def execute(self, query: str, *arguments: Any) -> str:
        """Run one statement, or several without arguments."""
        async with self.connection() as connection:
            return await connection.execute(query, *arguments)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Borrow a pooled connection."""
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                yield connection
        except (*CONNECTION_LOST, *_NO_ENTRY) as error:
            raise Unavailable("database_unavailable", f"node {self.name}: {error!r}") from error

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Borrow a pooled connection with a transaction open on it."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def connect(self, statement_timeout_s: float | None = None) -> Connection:
        """A connection of one's own, outside the pool; the caller closes it.

        Without a timeout a statement waits for ever, also for a server that has fallen silent.
        """
        try:
            return await asyncpg.connect(
                self.url,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=statement_timeout_s,
                connection_class=_StatelessConnection,
                server_settings=_SETTINGS,
            )
        except (*CONNECTION_LOST, *_NO_ENTRY) as error:
            raise Unavailable("database_unavailable", f"node {self.name}: {error!r}") from error

    def on_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Have something ended before the connections are; what was asked for last comes first."""
        self._closers.append(closer)

    async def close(self) -> None:
        """Give every connection back; those still in use are cut after a moment."""
        while self._closers:
            await self._closers.pop()()
        try:
            await asyncio.wait_for(self._pool.close(), 5)
        except TimeoutError:
            self._pool.terminate()


_SETTINGS = {
    "application_name": "tiffin",
    "jit": "off",
    "timezone": "UTC",
    # A transaction that its process has forgotten would hold back every reader of the log.
    "idle_in_transaction_session_timeout": "60s",
    # A parent with 120 partitions would be planned anew for every call (docs/decisions/0004).
    "plan_cache_mode": "force_generic_plan",
    # A kept plan made while a table was empty would read all of it when it has grown.
    "enable_seqscan": "off",
}
