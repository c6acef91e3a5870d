"""Orders that ended long ago, as they are read. `archiver` puts them here; nothing ever takes them back.

Whoever looks for an order looks among the hot ones first and here second: an order goes one way only, so
what is in neither place, asked in this order, is nowhere.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec
import structlog

from tiffin.rpc.contracts import OrderEvent
from tiffin.services.orders.order import OrderRow
from tiffin.services.orders.states import TERMINAL
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.read_many import find_many
from tiffin.sharding.router import Router
from tiffin.sharding.slots import Dimension, shard_of
from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.services.orders", "archive.sql")
AGE_MIN = timedelta(days=30)
"""Nothing that ended later is archived, so lists of younger orders need not look here."""

_event_decoder = msgspec.json.Decoder(OrderEvent)
_log = structlog.get_logger()

Before = tuple[datetime, int]
"""A place in a list: the moment an order was placed, and its id."""


async def get(node: Node, order_id: int) -> OrderRow | None:
    """An archived order of a node."""
    record = await node.fetchrow(QUERIES["by_id"], customer_shard(order_id), order_id)
    return OrderRow(*record) if record else None


async def get_many(connection: Connection, places: Sequence[tuple[int, int]]) -> list[OrderRow]:
    """Those orders, by (shard, id), that are archived on this node."""
    if not places:
        return []
    records = await connection.fetch(
        QUERIES["by_ids"], [shard for shard, _ in places], [order_id for _, order_id in places]
    )
    return [OrderRow(*record) for record in records]


async def history(node: Node, order_id: int) -> list[OrderEvent] | None:
    """Everything that has happened to an archived order, oldest first; None: it is not archived."""
    record = await node.fetchrow(QUERIES["history"], customer_shard(order_id), order_id)
    return [_event_decoder.decode(data) for data in record["events"]] if record else None


def may_hold(rows: Sequence[OrderRow], state: str | None, limit: int, now: datetime) -> bool:
    """Whether a page of which these are the hot orders may go on, or have some between, in the archive."""
    if state is not None and state not in TERMINAL:
        return False
    return len(rows) < limit or rows[-1].placed_at <= now - AGE_MIN


def merge(hot: Sequence[OrderRow], archived: Sequence[OrderRow], limit: int) -> list[OrderRow]:
    """One page out of two, newest first. An order that was archived between the two is in it once."""
    rows = {row.id: row for row in (*archived, *hot)}
    return sorted(rows.values(), key=_newest_first, reverse=True)[:limit]


def _newest_first(row: OrderRow) -> Before:
    return row.placed_at, row.id


class ArchivePages:
    """Pages of archived orders. May raise `Unavailable`."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def page(
        self, dimension: Dimension, key: str, state: str | None, before: Before, limit: int
    ) -> list[OrderRow]:
        """Of one customer or one restaurant, newest first."""
        if dimension == "customer":
            return [OrderRow(*record) for record in await self._fetch(dimension, key, before, state, limit)]
        rows: list[OrderRow] = []
        while len(rows) < limit:
            wanted = limit - len(rows)
            places = await self._fetch(dimension, key, before, state, wanted)
            rows += await self._truths([place["id"] for place in places])
            if len(places) < wanted:
                break
            before = places[-1]["placed_at"], places[-1]["id"]
        return rows

    async def _fetch(
        self, dimension: Dimension, key: str, before: Before, state: str | None, limit: int
    ) -> list[asyncpg.Record]:
        shard, query = shard_of(key), QUERIES[f"of_{dimension}"]
        return await self._router.read(
            dimension, shard, lambda node: node.fetch(query, shard, key, *before, state, limit)
        )

    async def _truths(self, order_ids: Sequence[int]) -> list[OrderRow]:
        """In the order that was asked for. What is not there is left out, and the audit tells of it."""
        found = await find_many(self._router, order_ids, self._read)
        if lost := [of for of in order_ids if of not in found]:
            _log.error("archived_orders_not_found", orders=lost)
        return [found[of] for of in order_ids if of in found]

    async def _read(self, order_ids: Sequence[int]) -> dict[int, OrderRow]:
        by_node: dict[Node, list[tuple[int, int]]] = {}
        for order_id in order_ids:
            shard = customer_shard(order_id)
            by_node.setdefault(self._router.node("customer", shard), []).append((shard, order_id))
        found: dict[int, OrderRow] = {}
        for node, places in by_node.items():
            async with node.connection() as connection:
                found |= {row.id: row for row in await get_many(connection, places)}
        return found
