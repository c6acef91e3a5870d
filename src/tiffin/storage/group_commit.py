"""Group commit: one statement and one commit for all that callers want within the same moment.

The six rules (docs/decisions/0003):

1. No lingering. A batch is what gathered while the last one was in flight.
2. A lane per connection. Operations with the same key always take the same lane, in their order, and no
   two of them share a batch: no deadlocks, no lost updates. A batch is sorted by key, so that batches of
   different processes lock rows in the same order. A lane has its own shards: a statement then opens half
   as many partitions, which is what costs PostgreSQL most after the rows themselves.
3. One bad row never sinks its neighbours: the batch is split and tried again.
4. A caller that gives up is dropped before the send, never in mid-commit.
5. An outcome that cannot be known (connection lost in COMMIT) is settled by reading, never by guessing.
6. Everything has a limit: rows in a batch, operations waiting, seconds a statement may take, tries.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import asyncpg
import structlog

from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import CONNECT_TIMEOUT_S, CONNECTION_LOST, Connection, Node
from tiffin.storage.turns import Turns

Operation = TypeVar("Operation")
Result = TypeVar("Result")

Run = Callable[[Connection, Sequence[Operation]], Awaitable[Sequence[Result]]]
"""Carries a batch out in one statement; one result an operation, in the same order."""

Key = tuple[int, int]
"""What an operation touches: the shard, and which row there."""

Settle = Callable[[Connection, Sequence[Operation]], Awaitable[Sequence[Result | None]]]
"""After a lost connection: what each operation came to, by reading; None if it did not happen."""

LANES = 2
BATCH_MAX = 256
WAITING_MAX = 4096
STATEMENT_TIMEOUT_S = 5.0
TRIES_MAX = 4
RECONNECT_PAUSE_S = 0.05
RECONNECT_PAUSE_MAX_S = 1.0

_log = structlog.get_logger()


class _Entry(Generic[Operation, Result]):
    """A waiting operation. `sent` from the moment it may have reached the database."""

    __slots__ = ("future", "key", "operation", "sent", "tries")

    def __init__(self, key: Key, operation: Operation, future: "asyncio.Future[Result]") -> None:
        self.key = key
        self.operation = operation
        self.future = future
        self.sent = False
        self.tries = 0

    def expire(self) -> None:
        if not self.sent:
            self.fail(Unavailable("database_busy", "not sent before the deadline; nothing was changed"))
        else:
            self.fail(Unavailable("outcome_unknown", "no answer from the database before the deadline"))

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def succeed(self, result: Result) -> None:
        if not self.future.done():
            self.future.set_result(result)


class GroupCommit(Generic[Operation, Result]):
    """Batches operations on one node. `run` and `settle` are the statement; `key` names what it touches.

    `committed` is called after every batch, before its callers hear of it. Groups of several nodes that share
    `turns` need fewer lanes each.
    """

    __slots__ = ("_key", "_lanes")

    def __init__(
        self,
        node: Node,
        run: "Run[Operation, Result]",
        settle: "Settle[Operation, Result]",
        key: Callable[[Operation], Key],
        committed: Callable[[], None] = lambda: None,
        turns: Turns | None = None,
        lanes: int = LANES,
    ) -> None:
        self._key = key
        turns = turns or Turns(lambda: lanes)
        self._lanes = [_Lane(node, run, settle, committed, turns) for _ in range(lanes)]

    async def submit(self, operation: Operation, within_s: float) -> Result:
        """Carry out one operation, together with whoever else is waiting.

        Raises what the database says of this operation alone. `Unavailable`: "overloaded" and
        "database_busy" mean that nothing was changed, "outcome_unknown" that only reading will tell.
        """
        key = self._key(operation)
        loop = asyncio.get_running_loop()
        entry: _Entry[Operation, Result] = _Entry(key, operation, loop.create_future())
        self._lanes[key[0] % len(self._lanes)].add(entry)
        timer = loop.call_later(within_s, entry.expire)
        try:
            return await entry.future
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Finish what is in flight; refuse the rest."""
        await asyncio.gather(*(lane.close() for lane in self._lanes))


class _Lane(Generic[Operation, Result]):
    """One connection and the operations that wait for it."""

    def __init__(
        self,
        node: Node,
        run: "Run[Operation, Result]",
        settle: "Settle[Operation, Result]",
        committed: Callable[[], None],
        turns: Turns,
    ) -> None:
        self._node = node
        self._run = run
        self._settle = settle
        self._committed = committed
        self._turns = turns
        self._waiting: deque[_Entry[Operation, Result]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._connection: Connection | None = None
        self._backend = (0, "")
        self._task: asyncio.Task[None] | None = None

    def add(self, entry: _Entry[Operation, Result]) -> None:
        if self._closing:
            raise Unavailable("shutting_down", "this process is stopping")
        if len(self._waiting) >= WAITING_MAX:
            raise Unavailable("overloaded", "too many writes are waiting")
        self._waiting.append(entry)
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="group-commit")

    async def close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            await self._connection.close(timeout=1)

    def _collect(self) -> list[_Entry[Operation, Result]]:
        """What is waiting, at most one operation a key; a second one on the same key keeps its place."""
        batch: list[_Entry[Operation, Result]] = []
        keys: set[Key] = set()
        again: list[_Entry[Operation, Result]] = []
        while self._waiting and len(batch) < BATCH_MAX:
            entry = self._waiting.popleft()
            if entry.future.done():
                continue
            if entry.key in keys:
                again.append(entry)
                continue
            keys.add(entry.key)
            batch.append(entry)
        self._waiting.extendleft(reversed(again))
        batch.sort(key=_by_key)
        return batch

    async def _work(self) -> None:
        while True:
            if self._waiting:
                end_turn = await self._turns.take()
                batch = self._collect()
                try:
                    await self._carry_out(batch)
                except Exception as error:  # a bug: tell the callers, keep the lane
                    _log.exception("group_commit_failed", node=self._node.name)
                    for entry in batch:
                        entry.fail(error)
                finally:
                    end_turn()
            elif self._closing:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _carry_out(self, batch: list[_Entry[Operation, Result]]) -> None:
        """Send a batch; after a lost connection, find out, and send again what did not happen."""
        while batch:
            if self._connection is None:
                await self._connect(batch)
            batch = [entry for entry in batch if not entry.future.done()]
            if self._connection is not None:
                try:
                    batch = await self._send(self._connection, batch)
                except CONNECTION_LOST as error:
                    _log.warning("connection_lost", node=self._node.name, error=repr(error), rows=len(batch))
                    self._connection.terminate()
                    self._connection = None
                    batch = await self._find_out(batch)

    async def _send(
        self, connection: Connection, batch: list[_Entry[Operation, Result]]
    ) -> list[_Entry[Operation, Result]]:
        """One statement for those who still wait. Gives what to send again; raises if the server is lost."""
        batch = [entry for entry in batch if not entry.future.done()]
        if not batch:
            return []
        for entry in batch:
            entry.sent = True
            entry.tries += 1
        try:
            async with asyncio.timeout(STATEMENT_TIMEOUT_S):
                results = await self._run(connection, [entry.operation for entry in batch])
        except CONNECTION_LOST:
            raise
        except asyncpg.TransactionRollbackError as error:  # deadlock, serialization: nothing was changed
            return _worth_another_try(batch, str(error))
        except Exception as error:
            return await self._split(connection, batch, error)
        self._committed()
        for entry, result in zip(batch, results, strict=True):
            entry.succeed(result)
        return []

    async def _split(
        self, connection: Connection, batch: list[_Entry[Operation, Result]], error: Exception
    ) -> list[_Entry[Operation, Result]]:
        """One of the batch is bad: halve it until that one stands alone and hears of it."""
        if len(batch) == 1:
            batch[0].fail(error)
            return []
        middle = len(batch) // 2
        for entry in batch:
            entry.sent = False
            entry.tries -= 1
        return await self._send(connection, batch[:middle]) + await self._send(connection, batch[middle:])

    async def _find_out(self, batch: list[_Entry[Operation, Result]]) -> list[_Entry[Operation, Result]]:
        """Read what became of operations whose connection was lost. Returns those that did not happen."""
        lost_backend = self._backend
        while unknown := [entry for entry in batch if not entry.future.done()]:
            if self._connection is None:
                await self._connect(unknown)
            if self._connection is None:
                break
            try:
                async with asyncio.timeout(STATEMENT_TIMEOUT_S):
                    await _end_backend(self._connection, lost_backend)
                    results = await self._settle(self._connection, [entry.operation for entry in unknown])
            except CONNECTION_LOST:
                self._connection.terminate()
                self._connection = None
                continue
            not_done: list[_Entry[Operation, Result]] = []
            for entry, result in zip(unknown, results, strict=True):
                if result is None:
                    not_done.append(entry)
                else:
                    entry.succeed(result)
            return _worth_another_try(not_done, "the connection keeps breaking")
        return []

    async def _connect(self, batch: list[_Entry[Operation, Result]]) -> None:
        """Connect, however often it takes while somebody in the batch still waits; their timers end that."""
        pause_s = RECONNECT_PAUSE_S
        while any(not entry.future.done() for entry in batch):
            try:
                connection = await self._node.connect()
                self._connection, self._backend = connection, await _backend_of(connection)
                return
            except (Unavailable, *CONNECTION_LOST):
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RECONNECT_PAUSE_MAX_S)


_BACKEND = """
SELECT pid, backend_start::text AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""

_END_BACKEND = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2
"""


async def _backend_of(connection: Connection) -> tuple[int, str]:
    """The server process behind a new connection. A server that says nothing more costs the connection."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            row = await connection.fetchrow(_BACKEND)
    except BaseException:
        connection.terminate()
        raise
    assert row is not None
    return row["pid"], row["started"]


async def _end_backend(connection: Connection, backend: tuple[int, str]) -> None:
    """Make sure that the lost connection's server process is gone: while it lives, it may still commit."""
    while await connection.fetchrow(_END_BACKEND, *backend):  # noqa: ASYNC110 - the caller's timeout ends it
        await asyncio.sleep(RECONNECT_PAUSE_S)


def _by_key(entry: _Entry[Any, Any]) -> Key:
    return entry.key


def _worth_another_try(
    batch: list[_Entry[Operation, Result]], reason: str
) -> list[_Entry[Operation, Result]]:
    """Of those that did not happen: which may be sent again. The others have used up their tries."""
    for entry in batch:
        entry.sent = False
        if entry.tries >= TRIES_MAX:
            entry.fail(Unavailable("database_unavailable", reason))
    return [entry for entry in batch if entry.tries < TRIES_MAX]
