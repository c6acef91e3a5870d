"""Payments in PostgreSQL, in the customer dimension."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import asyncpg
import msgspec

from tiffin.services.payments.payment import Change, Payment, event_of, order_id_of
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.read_many import batches_of_shards
from tiffin.sharding.router import Router
from tiffin.storage.group_commit import GroupCommit, Run, Settle
from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

WRITE_TIMEOUT_S = 10.0

_QUERIES = load_queries("tiffin.services.payments")
Key = TypeVar("Key")
_encode = msgspec.json.Encoder().encode


class PaymentStore:
    """Reads and writes payments. Writes of the same moment share a statement and a commit."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._starts = {node.name: _commits(node, _start, _settle_start) for node in router.nodes}
        self._changes = {node.name: _commits(node, _change, _settle_change) for node in router.nodes}

    async def start(self, start: Change) -> bool:
        """Record an intent. False: the order has a payment already that is pending or succeeded."""
        return await self._router.write(
            "customer",
            start.payment.shard,
            lambda node: self._starts[node.name].submit(start, WRITE_TIMEOUT_S),
        )

    async def change(self, change: Change) -> bool:
        """Record a change. False: the payment is not at the version before; read it again."""
        return await self._router.write(
            "customer",
            change.payment.shard,
            lambda node: self._changes[node.name].submit(change, WRITE_TIMEOUT_S),
        )

    async def find(self, payment_id: str) -> Payment | None:
        """A payment by its id."""
        order_id = order_id_of(payment_id)
        if order_id is None:
            return None
        return await self._one("find", customer_shard(order_id), payment_id)

    async def active(self, order_id: int) -> Payment | None:
        """The order's payment that is pending or succeeded, if there is one."""
        return await self._one("active", customer_shard(order_id), order_id)

    async def of_order(self, order_id: int) -> list[Payment]:
        """Every payment tried for the order, oldest first."""
        shard = customer_shard(order_id)
        rows = await self._router.read(
            "customer", shard, lambda node: node.fetch(_QUERIES["of_order"], shard, order_id)
        )
        return [_payment(row) for row in rows]

    async def succeeded_of_orders(self, order_ids: Sequence[int]) -> list[Payment]:
        """The succeeded payments of some orders."""
        return await self._many("succeeded_of_orders", order_ids, customer_shard)

    async def by_ids(self, payment_ids: Sequence[str]) -> list[Payment]:
        """Payments by ids of ours, those that exist."""
        return await self._many("by_ids", payment_ids, _shard_of_payment)

    async def lease_due(self, now: datetime, limit: int, delays_s: Sequence[int]) -> list[Payment]:
        """Take up to `limit` payments of each node that are due to be asked about; the delays say when they
        are due again, by the number of attempts."""
        taken: list[Payment] = []
        for node in self._router.nodes:
            shards = self._router.shards_on("customer", node)
            due = await node.fetch(_QUERIES["due"], shards, now, limit)
            if due:
                rows = await node.fetch(
                    _QUERIES["lease"],
                    sorted({row["shard"] for row in due}), [row["id"] for row in due], now, delays_s,
                )  # fmt: skip
                taken += [_payment(row) for row in rows]
        return taken

    async def close(self) -> None:
        """Finish what is being written."""
        commits = [*self._starts.values(), *self._changes.values()]
        await asyncio.gather(*(commit.close() for commit in commits))

    async def _one(self, query: str, shard: int, key: str | int) -> Payment | None:
        row = await self._router.read(
            "customer", shard, lambda node: node.fetchrow(_QUERIES[query], shard, key)
        )
        return _payment(row) if row else None

    async def _many(self, query: str, keys: Sequence[Key], shard: Callable[[Key], int]) -> list[Payment]:
        """At most one payment a key. What is not found is believed only if no shard has moved meanwhile."""
        epoch = self._router.epoch
        rows = await self._read_many(query, keys, shard)
        if len(rows) < len(keys) and await self._router.changed(epoch):
            rows = await self._read_many(query, keys, shard)
        return [_payment(row) for row in rows]

    async def _read_many(
        self, query: str, keys: Sequence[Key], shard: Callable[[Key], int]
    ) -> list[asyncpg.Record]:
        held: defaultdict[Node, list[Key]] = defaultdict(list)
        for key in keys:
            held[self._router.node("customer", shard(key))].append(key)
        rows: list[asyncpg.Record] = []
        for node, some in held.items():
            for shards, wanted in batches_of_shards(some, shard):
                rows += await node.fetch(_QUERIES[query], *shards, wanted)
        return rows


def _shard_of_payment(payment_id: str) -> int:
    order_id = order_id_of(payment_id)
    if order_id is None:
        raise ValueError(f"no payment id of ours: {payment_id!r}")
    return customer_shard(order_id)


def _payment(row: asyncpg.Record) -> Payment:
    return Payment(
        id=row["id"],
        order_id=row["order_id"],
        customer_id=row["customer_id"],
        amount=row["amount"],
        currency=row["currency"],
        source=row["source"],
        state=row["state"],
        version=row["version"],
        provider_reference=row["provider_reference"],
        decline_reason=row["decline_reason"],
        attempts=row["attempts"],
        next_check_at=row["next_check_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _commits(node: Node, run: Run[Change, bool], settle: Settle[Change, bool]) -> GroupCommit[Change, bool]:
    return GroupCommit(node, run, settle, _lane_key)


def _lane_key(change: Change) -> tuple[int, int]:
    return change.payment.shard, change.payment.order_id


def _start_row(change: Change) -> tuple[object, ...]:
    payment = change.payment
    return (
        payment.shard, payment.id, payment.order_id, payment.customer_id, payment.amount, payment.currency,
        payment.source, payment.created_at, payment.next_check_at,
        change.event, _encode(event_of(change)).decode(), change.trace,
    )  # fmt: skip


def _change_row(change: Change) -> tuple[object, ...]:
    payment = change.payment
    return (
        *_start_row(change),
        payment.state, payment.version, payment.provider_reference, payment.decline_reason,
        payment.updated_at,
    )  # fmt: skip


async def _start(connection: Connection, starts: Sequence[Change]) -> Sequence[bool]:
    rows = await connection.fetch(_QUERIES["start"], *zip(*map(_start_row, starts), strict=True))
    started = {row["id"] for row in rows}
    return [start.payment.id in started for start in starts]


async def _change(connection: Connection, changes: Sequence[Change]) -> Sequence[bool]:
    rows = await connection.fetch(_QUERIES["change"], *zip(*map(_change_row, changes), strict=True))
    changed = {row["id"] for row in rows}
    return [change.payment.id in changed for change in changes]


async def _settle_start(connection: Connection, starts: Sequence[Change]) -> Sequence[bool | None]:
    """An id is used once: a row that is there is ours. One that is not did not happen, and is sent again."""
    found = await _versions(connection, starts)
    return [True if start.payment.id in found else None for start in starts]


async def _settle_change(connection: Connection, changes: Sequence[Change]) -> Sequence[bool | None]:
    """A payment at our version in our state has made our change, by whomever; still before it: not yet."""
    found = await _versions(connection, changes)
    results: list[bool | None] = []
    for change in changes:
        state, version = found[change.payment.id]
        ours = change.payment
        results.append(None if version < ours.version else (state, version) == (ours.state, ours.version))
    return results


async def _versions(connection: Connection, changes: Sequence[Change]) -> dict[str, tuple[str, int]]:
    shards = sorted({change.payment.shard for change in changes})
    rows = await connection.fetch(_QUERIES["versions"], shards, [change.payment.id for change in changes])
    return {row["id"]: (row["state"], row["version"]) for row in rows}
