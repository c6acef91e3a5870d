"""Cases in PostgreSQL: beside their orders' truth, with a copy where their restaurant lives."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from datetime import date, datetime
from typing import NamedTuple

import asyncpg
import msgspec

from tiffin.events.reader import QUERIES as LOG_QUERIES
from tiffin.rpc.contracts import CaseEvent
from tiffin.services.reverse.case import Case, order_id_of
from tiffin.services.reverse.transition import Moved
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.read_many import rows_of_orders
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.services.reverse")
KEEPING_TIMEOUT_S = 600.0
"""A day of a node's log is read once."""
_decode = msgspec.json.Decoder(CaseEvent).decode
_FIELDS = tuple(field.name for field in fields(Case))


class Held(NamedTuple):
    """An order's sums, held, with all of its cases so far."""

    paid: int
    cases: list[Case]


class CaseStore:
    """Every read and write of cases. All may raise `Unavailable`."""

    def __init__(self, router: Router) -> None:
        self._router = router

    @property
    def nodes(self) -> Sequence[Node]:
        """Where cases are."""
        return self._router.nodes

    async def open(
        self,
        order_id: int,
        paid: int,
        decide: Callable[[Held], Moved],
    ) -> Moved:
        """Decide on a new case while the order's other cases stand still, and store it. What `decide` raises
        leaves everything as it was."""
        shard = customer_shard(order_id)

        async def do(node: Node) -> Moved:
            async with node.transaction() as connection:
                held = await connection.fetchrow(QUERIES["hold_order"], shard, order_id, paid)
                assert held is not None
                cases = await connection.fetch(QUERIES["of_order"], shard, order_id)
                moved = decide(Held(held["paid"], [case_of(row) for row in cases]))
                await _open(connection, moved)
                return moved

        return await self._router.write("customer", shard, do)

    async def move(self, moved: Moved) -> bool:
        """Store a case's next version. False: somebody else has moved it meanwhile."""
        case = moved.case
        row = await self._router.write(
            "customer",
            case.shard,
            lambda node: node.fetchrow(
                QUERIES["move"], case.shard, case.id, case.version, case.state, case.updated_at, case.due_at,
                case.released, case.reason, case.details, case.claimed if moved.releases else 0,
                moved.type, moved.data, moved.trace,
            ),
        )  # fmt: skip
        return row is not None

    async def get(self, case_id: str) -> Case | None:
        """A case by its id."""
        order_id = order_id_of(case_id)
        if order_id is None:
            return None
        shard = customer_shard(order_id)
        row = await self._router.read(
            "customer", shard, lambda node: node.fetchrow(QUERIES["case"], shard, case_id)
        )
        return case_of(row) if row else None

    async def of_order(self, order_id: int) -> list[Case]:
        """Every case of an order, oldest first."""
        shard = customer_shard(order_id)
        rows = await self._router.read(
            "customer", shard, lambda node: node.fetch(QUERIES["of_order"], shard, order_id)
        )
        return [case_of(row) for row in rows]

    async def unsettled(self, order_ids: Sequence[int]) -> set[int]:
        """Those of these orders that have a case which is not over."""
        rows = await rows_of_orders(self._router, QUERIES["unsettled"], order_ids)
        return {row["order_id"] for row in rows}

    async def of_customer(
        self, customer_id: str, state: str | None, before: tuple[datetime, str], limit: int
    ) -> list[Case]:
        """A customer's cases, newest first."""
        shard = shard_of(customer_id)
        rows = await self._router.read(
            "customer",
            shard,
            lambda node: node.fetch(QUERIES["of_customer"], shard, customer_id, *before, state, limit),
        )
        return [case_of(row) for row in rows]

    async def of_restaurant(
        self, restaurant_id: str, state: str | None, before: tuple[datetime, str], limit: int
    ) -> list[Case]:
        """A restaurant's cases, newest first, from its copy."""
        shard = shard_of(restaurant_id)
        rows = await self._router.read(
            "restaurant",
            shard,
            lambda node: node.fetch(QUERIES["of_restaurant"], shard, restaurant_id, *before, state, limit),
        )
        return [case_of(row) for row in rows]

    async def waiting(
        self, state: str, after: tuple[datetime, str], limit: int
    ) -> list[tuple[datetime, str]]:
        """Deadlines and ids of the cases that wait in a state, anywhere, the most urgent first."""
        found: list[tuple[datetime, str]] = []
        for node in self._router.nodes:
            rows = await node.fetch(QUERIES["waiting"], state, *after, limit)
            found += [(row["due_at"], row["id"]) for row in rows]
        return sorted(found)[:limit]

    async def lease(self, node: Node, now: datetime, limit: int, delays_s: Sequence[float]) -> list[str]:
        """Take up to `limit` cases of a node that are due; ids."""
        rows = await node.fetch(QUERIES["lease"], now, limit, list(delays_s))
        return [row["id"] for row in rows]

    async def history(self, case_id: str) -> list[CaseEvent]:
        """Everything that has happened to a case, oldest first."""
        order_id = order_id_of(case_id)
        if order_id is None:
            return []
        rows = await self._router.read(
            "customer",
            customer_shard(order_id),
            lambda node: node.fetch(LOG_QUERIES["of_key"], "case", case_id),
        )
        return [_decode(row["data"]) for row in rows]

    async def copy(self, case: Case) -> None:
        """Bring the restaurant's copy of a case up to date."""
        shard = restaurant_shard(case.order_id)
        values = (shard, *astuple(case)[1:])
        await self._router.write("restaurant", shard, lambda node: node.execute(QUERIES["copy"], *values))


def case_of(row: asyncpg.Record) -> Case:
    """A case from its row."""
    return Case(*(row[name] for name in _FIELDS))


async def needed_histories(node: Node, day: date) -> list[str]:
    """The cases that would lose some of their history if this day of the log went; all of them, that is."""
    connection = await node.connect(KEEPING_TIMEOUT_S)
    try:
        return [row["key"] for row in await connection.fetch(QUERIES["needed_histories"], day)]
    finally:
        await connection.close()


async def _open(connection: Connection, moved: Moved) -> None:
    await connection.execute(QUERIES["open"], *astuple(moved.case), moved.type, moved.data, moved.trace)
