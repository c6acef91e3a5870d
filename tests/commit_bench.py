"""A small table behind a `GroupCommit`, with a gate that holds its statements: for tests of group commit."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import NamedTuple
from uuid import uuid4

import asyncpg

from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.group_commit import LANES, GroupCommit
from tiffin.storage.node import Connection, Node

SCHEMA = """
CREATE TABLE writes (
    shard int NOT NULL,
    key bigint NOT NULL,
    token text NOT NULL,
    value int NOT NULL CHECK (value >= 0),
    note text NOT NULL,
    bench text NOT NULL,
    n bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id()
) PARTITION BY LIST (shard);
CREATE TABLE writes_1 PARTITION OF writes FOR VALUES IN (1);
CREATE TABLE counters (key bigint PRIMARY KEY, hits int NOT NULL DEFAULT 1);
CREATE SEQUENCE misfortunes;
-- 40001: the first two tries are rolled back, 40002: every try is.
CREATE FUNCTION misfortune() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.value = 40002 OR (NEW.value = 40001 AND nextval('misfortunes') < 3) THEN
        RAISE EXCEPTION 'somebody else was first' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER misfortune BEFORE INSERT ON writes FOR EACH ROW EXECUTE FUNCTION misfortune();
"""

_RUN = """
WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared($7))
INSERT INTO writes (shard, key, token, value, note, bench)
SELECT w.shard, w.key, w.token, w.value, w.note, $6
  FROM gate, unnest($1::int[], $2::bigint[], $3::text[], $4::int[], $5::text[])
       AS w (shard, key, token, value, note)
RETURNING token, n
"""
_WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'
   AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                  AND ((classid::bigint << 32) | objid::bigint) = $1)
"""


class Write(NamedTuple):
    """An operation: a row of `writes`."""

    shard: int
    key: int
    token: str
    value: int
    note: str


@asynccontextmanager
async def commit_node(server: EmbeddedServer) -> AsyncGenerator[Node]:
    """A database of this worker with the tables above."""
    name = f"commits_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{uuid4().hex[:6]}"
    await server.create_database(name)
    node = await Node.open(name, server.url(name))
    await node.execute(SCHEMA)
    yield node
    await node.close()


class Bench:
    """Submits writes and counts what became of them. `direct` reaches the database past any proxy."""

    _numbers = count(1)

    def __init__(self, node: Node, direct: Node, gatekeeper: asyncpg.Connection) -> None:
        self.sent: list[list[Write]] = []
        self.bug_at: set[str] = set()
        self.close_gate_after: int | None = None
        self.connections_made = 0
        self.settled = 0
        self._gate = next(self._numbers) + os.getpid() * 10_000
        self._name = f"bench-{uuid4().hex[:8]}"
        self._connections: set[int] = set()
        self._direct = direct
        self._gatekeeper = gatekeeper
        self.group: GroupCommit[Write, int] = GroupCommit(
            node, self._run, self._settle, key=lambda w: (w.key, 0)
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, node: Node, direct: Node) -> AsyncGenerator["Bench"]:
        gatekeeper = await asyncpg.connect(direct.url)
        bench = cls(node, direct, gatekeeper)
        try:
            yield bench
            await gatekeeper.execute("SELECT pg_advisory_unlock_all()")
            await bench.group.close()
        finally:
            await gatekeeper.close()

    def write(
        self, key: int | None = None, value: int = 0, shard: int = 1, note: str = "", token: str | None = None
    ) -> Write:
        """An operation of its own."""
        token = token or uuid4().hex
        return Write(shard, next(self._numbers) if key is None else key, token, value, note)

    def writes(self, number: int, lane: int | None = None) -> list[Write]:
        """Operations on different keys, of one lane if it matters."""
        found: list[Write] = []
        while len(found) < number:
            write = self.write()
            if lane in (None, self.lane(write)):
                found.append(write)
        return found

    def lane(self, write: Write) -> int:
        return write.key % LANES

    async def submit(self, write: Write, within_s: float = 30.0) -> int:
        return await self.group.submit(write, within_s)

    def start(self, write: Write, within_s: float = 30.0) -> asyncio.Task[int]:
        return asyncio.create_task(self.submit(write, within_s))

    @asynccontextmanager
    async def gate_closed(self) -> AsyncGenerator[None]:
        """While inside, every statement waits in the database."""
        await self.close_gate()
        try:
            yield
        finally:
            await self.open_gate()

    async def close_gate(self) -> None:
        await self._gatekeeper.fetchval("SELECT pg_advisory_lock($1)", self._gate)

    async def open_gate(self) -> None:
        await self._gatekeeper.fetchval("SELECT pg_advisory_unlock($1)", self._gate)

    async def until_waiting(self, statements: int) -> list[int]:
        """Wait until so many statements stand before the gate. Their server processes."""
        while len(found := await self._direct.fetch(_WAITING, self._gate)) < statements:
            await asyncio.sleep(0.002)
        return [row["pid"] for row in found]

    async def row(self, write: Write) -> asyncpg.Record:
        row = await self._direct.fetchrow("SELECT n, xid::text FROM writes WHERE token = $1", write.token)
        assert row is not None
        return row

    async def number(self, write: Write) -> int:
        return (await self.row(write))["n"]

    async def counts(self, writes: Sequence[Write]) -> dict[str, int]:
        """How often each was written."""
        rows = await self._direct.fetch(
            "SELECT token FROM writes WHERE token = ANY($1)", [write.token for write in writes]
        )
        return dict(Counter(row["token"] for row in rows))

    async def commits(self) -> list[list[str]]:
        """The tokens of each transaction that wrote for this bench."""
        rows = await self._direct.fetch(
            "SELECT array_agg(token) AS tokens FROM writes WHERE bench = $1 GROUP BY xid", self._name
        )
        return [row["tokens"] for row in rows]

    async def _run(self, connection: Connection, batch: Sequence[Write]) -> list[int]:
        self.sent.append(list(batch))
        if id(connection) not in self._connections:
            self._connections.add(id(connection))
            self.connections_made += 1
        if self.bug_at & {write.token for write in batch}:
            raise ZeroDivisionError
        if self.close_gate_after is not None and len(self.sent) > self.close_gate_after:
            self.close_gate_after = None
            await self.close_gate()
        rows = await connection.fetch(_RUN, *map(list, zip(*batch, strict=True)), self._name, self._gate)
        numbers = {row["token"]: row["n"] for row in rows}
        return [numbers[write.token] for write in batch]

    async def _settle(self, connection: Connection, batch: Sequence[Write]) -> list[int | None]:
        self.settled += 1
        rows = await connection.fetch(
            "SELECT token, n FROM writes WHERE token = ANY($1)", [write.token for write in batch]
        )
        numbers = {row["token"]: row["n"] for row in rows}
        return [numbers.get(write.token) for write in batch]
