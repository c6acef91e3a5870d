"""Payments in PostgreSQL, in the customer dimension."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import asyncpg

from tiffin.services.payments.payment import Change, Payment, order_id_of
from tiffin.services.payments.refund import Refund
from tiffin.services.payments.rows import QUERIES, change_row, payment_of, refund_of, start_row
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.read_many import batches_of_shards, rows_of_orders
from tiffin.sharding.router import Router
from tiffin.storage.group_commit import GroupCommit, Run, Settle
from tiffin.storage.node import Connection, Node
from tiffin.storage.per_node import PerNode

WRITE_TIMEOUT_S = 10.0

Key = TypeVar("Key")


class PaymentStore:
    """Reads and writes payments. Writes of the same moment share a statement and a commit."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._starts = PerNode(lambda node: _commits(node, _start, _settle_start))
        self._changes = PerNode(lambda node: _commits(node, _change, _settle_change))

    async def start(self, start: Change) -> bool:
        """Record an intent. False: the order has not so much left to be paid, or the id is there already."""
        return await self._write(self._starts, start)

    async def change(self, change: Change) -> bool:
        """Record a change. False: the payment is not at the version before, or the refund is there already;
        read it again."""
        return await self._write(self._changes, change)

    async def change_all(self, changes: Sequence[Change]) -> bool:
        """Record several changes of one order's payments, all or none."""
        if len(changes) == 1:
            return await self.change(changes[0])

        async def write(node: Node) -> bool:
            try:
                async with node.transaction() as connection:
                    if not all(await _change(connection, sorted(changes, key=lambda each: each.payment.id))):
                        raise _NotAll
            except (_NotAll, asyncpg.UniqueViolationError):
                return False
            return True

        return await self._router.write("customer", changes[0].payment.shard, write)

    async def collect(self, changes: Sequence[Change]) -> None:
        """Record cash, one statement a node; what is recorded already is left alone."""
        held: defaultdict[Node, list[Change]] = defaultdict(list)
        for change in changes:
            held[self._router.node("customer", change.payment.shard)].append(change)
        for node, some in held.items():
            await node.fetch(QUERIES["collect"], *zip(*map(start_row, some), strict=True))

    async def refer(self, payment: Payment, reference: str) -> str:
        """Keep the provider's own name for a payment. Returns the one that stands."""
        row = await self._router.write(
            "customer",
            payment.shard,
            lambda node: node.fetchrow(QUERIES["refer"], payment.shard, payment.id, reference),
        )
        return row["provider_reference"] if row else reference

    async def find(self, payment_id: str) -> Payment | None:
        """A payment by its id."""
        order_id = order_id_of(payment_id)
        if order_id is None:
            return None
        shard = customer_shard(order_id)
        row = await self._router.read(
            "customer", shard, lambda node: node.fetchrow(QUERIES["find"], shard, payment_id)
        )
        return payment_of(row) if row else None

    async def of_order(self, order_id: int) -> list[Payment]:
        """Every payment tried for the order, oldest first."""
        return [payment_of(row) for row in await self._in_shard("of_order", order_id, order_id)]

    async def refunds_of_order(self, order_id: int) -> list[Refund]:
        """Every part of every refund of the order."""
        return [refund_of(row) for row in await self._in_shard("refunds_of_order", order_id, order_id)]

    async def refund_parts(self, refund_id: str) -> list[Refund]:
        """The parts of a refund, by number; none if there is no such refund."""
        order_id = order_id_of(refund_id)
        if order_id is None:
            return []
        return [refund_of(row) for row in await self._in_shard("refund_parts", order_id, refund_id)]

    async def good_of_orders(self, order_ids: Sequence[int]) -> list[Payment]:
        """Some orders' payments that are authorised or succeeded."""
        return await self._many("good_of_orders", order_ids, customer_shard)

    async def unsettled(self, order_ids: Sequence[int]) -> set[int]:
        """Those of these orders that have a payment or a refund on its way."""
        rows = await rows_of_orders(self._router, QUERIES["unsettled"], order_ids)
        return {row["order_id"] for row in rows}

    async def by_ids(self, payment_ids: Sequence[str]) -> list[Payment]:
        """Payments by ids of ours, those that exist."""
        return await self._many("by_ids", payment_ids, _shard_of_payment)

    async def lease_due(self, now: datetime, limit: int, delays_s: Sequence[int]) -> list[Payment]:
        """Take up to `limit` payments of each node that are due to be asked about; the delays say when they
        are due again, by the number of attempts."""
        return [payment_of(row) for row in await self._lease("due", "lease", now, limit, delays_s)]

    async def lease_refunds(self, now: datetime, limit: int, delays_s: Sequence[int]) -> list[Refund]:
        """The same of refunds' parts."""
        rows = await self._lease("due_refunds", "lease_refunds", now, limit, delays_s)
        return [refund_of(row) for row in rows]

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(self._starts.close(), self._changes.close())

    async def _write(self, commits: PerNode[GroupCommit[Change, bool]], change: Change) -> bool:
        try:
            return await self._router.write(
                "customer",
                change.payment.shard,
                lambda node: commits[node].submit(change, WRITE_TIMEOUT_S),
            )
        except asyncpg.UniqueViolationError:
            return False

    async def _lease(
        self, due: str, lease: str, now: datetime, limit: int, delays_s: Sequence[int]
    ) -> list[asyncpg.Record]:
        taken: list[asyncpg.Record] = []
        for node in self._router.nodes:
            shards = self._router.shards_on("customer", node)
            rows = await node.fetch(QUERIES[due], shards, now, limit)
            if rows:
                taken += await node.fetch(
                    QUERIES[lease],
                    sorted({row["shard"] for row in rows}), [row["id"] for row in rows], now, delays_s,
                )  # fmt: skip
        return taken

    async def _in_shard(self, query: str, order_id: int, key: str | int) -> list[asyncpg.Record]:
        shard = customer_shard(order_id)
        return await self._router.read("customer", shard, lambda node: node.fetch(QUERIES[query], shard, key))

    async def _many(self, query: str, keys: Sequence[Key], shard: Callable[[Key], int]) -> list[Payment]:
        """What is not found is believed only if no shard has moved meanwhile."""
        rows = await self._router.until_settled(
            lambda: self._read_many(query, keys, shard), lambda rows: len(rows) >= len(keys)
        )
        return [payment_of(row) for row in rows]

    async def _read_many(
        self, query: str, keys: Sequence[Key], shard: Callable[[Key], int]
    ) -> list[asyncpg.Record]:
        held: defaultdict[Node, list[Key]] = defaultdict(list)
        for key in keys:
            held[self._router.node("customer", shard(key))].append(key)
        rows: list[asyncpg.Record] = []
        for node, some in held.items():
            for shards, wanted in batches_of_shards(some, shard):
                rows += await node.fetch(QUERIES[query], *shards, wanted)
        return rows


class _NotAll(Exception):
    """One of several changes came too late."""


def _shard_of_payment(payment_id: str) -> int:
    order_id = order_id_of(payment_id)
    if order_id is None:
        raise ValueError(f"no payment id of ours: {payment_id!r}")
    return customer_shard(order_id)


def _commits(node: Node, run: Run[Change, bool], settle: Settle[Change, bool]) -> GroupCommit[Change, bool]:
    return GroupCommit(node, run, settle, _lane_key)


def _lane_key(change: Change) -> tuple[int, int]:
    return change.payment.shard, change.payment.order_id


async def _start(connection: Connection, starts: Sequence[Change]) -> Sequence[bool]:
    rows = await connection.fetch(QUERIES["start"], *zip(*map(start_row, starts), strict=True))
    started = {row["id"] for row in rows}
    return [start.payment.id in started for start in starts]


async def _change(connection: Connection, changes: Sequence[Change]) -> Sequence[bool]:
    rows = await connection.fetch(QUERIES["change"], *zip(*map(change_row, changes), strict=True))
    changed = {row["id"] for row in rows}
    return [change.payment.id in changed for change in changes]


async def _settle_start(connection: Connection, starts: Sequence[Change]) -> Sequence[bool | None]:
    """An id is used once: a row that is there is ours. One that is not did not happen, and is sent again."""
    found = await _versions(connection, starts)
    return [True if start.payment.id in found else None for start in starts]


async def _settle_change(connection: Connection, changes: Sequence[Change]) -> Sequence[bool | None]:
    """A payment at our version in our state has made our change, by whomever; still before it: not yet.

    Of a refund that is not enough: another one may have made the version. It is read again.
    """
    found = await _versions(connection, changes)
    results: list[bool | None] = []
    for change in changes:
        state, version = found[change.payment.id]
        ours = change.payment
        done = (state, version) == (ours.state, ours.version) and change.refund is None
        results.append(None if version < ours.version else done)
    return results


async def _versions(connection: Connection, changes: Sequence[Change]) -> dict[str, tuple[str, int]]:
    shards = sorted({change.payment.shard for change in changes})
    rows = await connection.fetch(QUERIES["versions"], shards, [change.payment.id for change in changes])
    return {row["id"]: (row["state"], row["version"]) for row in rows}
