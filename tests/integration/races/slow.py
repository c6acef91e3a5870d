"""Seams that make races happen: delays between statements, meetings before writes, work of one order alone.

All from outside: the services are given a node and a provider that behave so, and know nothing of it.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Self

from tiffin.services.orders.statements import QUERIES as ORDERS
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.rows import QUERIES as PAYMENTS
from tiffin.services.reverse.store import QUERIES as REVERSE
from tiffin.sharding.order_id import customer_shard
from tiffin.storage.node import Node

PAUSE_MAX_S = 0.003
CONNECTIONS_MAX = 24

ahead_s: ContextVar[float] = ContextVar("ahead_s", default=0.0)
"""How far somebody's clock is ahead of the town's."""
only_order: ContextVar[int | None] = ContextVar("only_order", default=None)
"""The order that a loop's work is about; None: all that is due."""
party: ContextVar["Party | None"] = ContextVar("party", default=None)
"""Who of a meeting this is."""


class RaceClock:
    """The town's time, which goes on between races, and how far whoever looks at it is ahead."""

    def __init__(self) -> None:
        self.base = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.base + timedelta(seconds=ahead_s.get())

    def timestamp(self) -> float:
        """The provider's: nobody's clock is ahead there."""
        return self.base.timestamp()


class Pauses:
    """Of random length, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    async def take(self) -> None:
        await asyncio.sleep(self._random.random() * PAUSE_MAX_S)


class Meeting:
    """Two who wait for one another before their nth write, unless the other has ended by then."""

    def __init__(self, before_write: int) -> None:
        self._before_write = before_write
        self._parties: list[Party] = []

    def join(self) -> "Party":
        joined = Party(self)
        self._parties.append(joined)
        return joined

    @property
    def took_place(self) -> bool:
        """Both were about to write at the same moment, each with what it had read before."""
        return all(each.is_there for each in self._parties)

    async def arrive(self, who: "Party") -> None:
        who.writes += 1
        if who.writes == self._before_write:
            who.is_there = True
            self._look()
            await who.may_go.wait()

    def leave(self, who: "Party") -> None:
        who.has_ended = True
        self._look()

    def _look(self) -> None:
        if all(each.is_there or each.has_ended for each in self._parties):
            for each in self._parties:
                each.may_go.set()


class Party:
    """One of a meeting."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self.writes = 0
        self.is_there = self.has_ended = False
        self.may_go = asyncio.Event()


def meet_before(owner: Any, *names: str) -> None:
    """Let calls of these methods be where parties meet."""

    def wrap(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def write(*arguments: Any) -> Any:
            if who := party.get():
                await who.meeting.arrive(who)
            return await call(*arguments)

        return write

    for name in names:
        setattr(owner, name, wrap(getattr(owner, name)))


class PatientNode(Node):
    """A node whose connections are waited for in turn, however busy the machine is."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)

    @classmethod
    async def at(cls, url: str) -> Self:
        node = await cls.open("races", url, CONNECTIONS_MAX)
        assert isinstance(node, cls)
        return node

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any]:
        async with self._turns, super().connection() as connection:
            yield connection


class SlowNode(PatientNode):
    """A node that takes its time before and after every statement, and before every commit."""

    pauses: Pauses

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any]:
        async with super().connection() as connection:
            yield _SlowConnection(connection, self.pauses)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any]:
        async with super().connection() as connection, connection.transaction():
            yield _SlowConnection(connection, self.pauses)
            await self.pauses.take()

    async def connect(self, statement_timeout_s: float | None = None) -> Any:
        return _SlowConnection(await super().connect(statement_timeout_s), self.pauses)


class _SlowConnection:
    def __init__(self, connection: Any, pauses: Pauses) -> None:
        self._connection = connection
        self._pauses = pauses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, query: str, *arguments: Any) -> Any:
        return await self._slowly(self._connection.fetch, query, arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        return await self._slowly(self._connection.fetchrow, query, arguments)

    async def execute(self, query: str, *arguments: Any) -> Any:
        return await self._slowly(self._connection.execute, query, arguments)

    async def _slowly(self, ask: Callable[..., Awaitable[Any]], query: str, arguments: Any) -> Any:
        order_id = only_order.get()
        if order_id is not None and query in _OF_ONE_ORDER:
            query, arguments = _OF_ONE_ORDER[query](order_id, arguments)
        await self._pauses.take()
        answer = await ask(query, *arguments)
        await self._pauses.take()
        return answer


class SlowProvider(SandboxProvider):
    """A provider whose questions and answers take a while."""

    pauses: Pauses

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        await self.pauses.take()
        answer = await super()._send(method, path, body)
        await self.pauses.take()
        return answer


_Narrowed = Callable[[int, tuple[Any, ...]], tuple[str, tuple[Any, ...]]]


def _narrowed(query: str, due: str, wanted: str, values: Callable[[int], tuple[Any, ...]]) -> _Narrowed:
    """A statement that looks for what is due, narrowed to one order: many races go on at the same time."""
    assert query.count(due) == 1, f"the statement looks for what is due in another way now: {query}"
    used = max(int(number) for number in re.findall(r"\$([0-9]+)", query))
    narrow = query.replace(due, f"{due} AND {wanted.format(f'${used + 1}', f'${used + 2}')}")

    def rewrite(order_id: int, arguments: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        if isinstance(arguments[0], list):
            arguments = ([customer_shard(order_id)], *arguments[1:])
        return narrow, (*arguments, *values(order_id))

    return rewrite


def _of_order(order_id: int) -> tuple[Any, ...]:
    return f"{order_id}-", f"{order_id}."


_ITS_OWN = "id > {} AND id < {}"
_OF_ONE_ORDER: dict[str, _Narrowed] = {
    ORDERS["claim_due"]: _narrowed(
        ORDERS["claim_due"], "due_at <= $1", "id = {}", lambda order_id: (order_id,)
    ),
    REVERSE["lease"]: _narrowed(REVERSE["lease"], "next_at <= $1", _ITS_OWN, _of_order),
    **{
        PAYMENTS[name]: _narrowed(PAYMENTS[name], "next_check_at <= $2", _ITS_OWN, _of_order)
        for name in ("due", "due_refunds")
    },
}
