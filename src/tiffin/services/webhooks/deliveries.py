"""Deliveries in the database: beside their endpoint. What is tried, and what comes of it, is the sender's."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from tiffin.services.webhooks.delivery import DeliveryRow
from tiffin.services.webhooks.endpoint import owner_of
from tiffin.services.webhooks.store import QUERIES
from tiffin.sharding.read_many import batches_of_shards
from tiffin.sharding.router import Router, always
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

PINGS_MAX = 5
"""A minute, of an endpoint."""
REPLAYED_MAX = 1000
"""At once."""


class DeliveryStore:
    """Reads and writes deliveries and what waits."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def add(self, rows: Sequence[DeliveryRow], now: datetime) -> None:
        """Keep those that are new, to be sent from now on."""
        await self._router.until_settled(lambda: self._add(rows, now), always)

    async def _add(self, rows: Sequence[DeliveryRow], now: datetime) -> None:
        by_node: defaultdict[Node, list[DeliveryRow]] = defaultdict(list)
        for row in sorted(rows, key=lambda each: each[:3]):  # one order of locking
            by_node[self._router.node("restaurant", row.shard)].append(row)
        for node, some in by_node.items():
            await node.execute(QUERIES["add"], *map(list, zip(*some, strict=True)), now)

    async def find(self, endpoint_id: str, delivery_id: str) -> DeliveryRow | None:
        """One delivery."""
        shard = shard_of(owner_of(endpoint_id))

        async def ask(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["delivery"], shard, endpoint_id, delivery_id)

        record = await self._router.read("restaurant", shard, ask)
        return DeliveryRow(*record) if record else None

    async def of(
        self, endpoint_id: str, state: str | None, before: tuple[datetime, str], limit: int
    ) -> list[DeliveryRow]:
        """An endpoint's, newest first, from before (at, id)."""
        shard = shard_of(owner_of(endpoint_id))

        async def ask(node: Node) -> list[asyncpg.Record]:
            return await node.fetch(QUERIES["deliveries"], shard, endpoint_id, *before, state, limit)

        return [DeliveryRow(*record) for record in await self._router.read("restaurant", shard, ask)]

    async def pings(self, endpoint_id: str, since: datetime) -> int:
        """How many an endpoint was given since then."""
        shard = shard_of(owner_of(endpoint_id))

        async def ask(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["pings"], shard, endpoint_id, since)

        record = await self._router.read("restaurant", shard, ask)
        return record[0] if record else 0

    async def replay_one(self, endpoint_id: str, delivery_id: str, now: datetime) -> bool:
        """Send it again. False if there is none."""
        return await self._again("replay_one", endpoint_id, (delivery_id,), now) > 0

    async def replay(
        self, endpoint_id: str, since: datetime, before: datetime, delivered: bool, now: datetime
    ) -> int:
        """Send again what happened in that time, at most `REPLAYED_MAX`; returns how many."""
        wanted = (since, before, delivered, REPLAYED_MAX, now)
        return await self._again("replay_some", endpoint_id, wanted, now)

    async def _again(self, query: str, endpoint_id: str, which: Sequence[object], now: datetime) -> int:
        shard = shard_of(owner_of(endpoint_id))

        async def do(node: Node) -> int:
            async with node.transaction() as connection:
                await connection.execute(QUERIES["lock_lane"], shard, endpoint_id)
                records = await connection.fetch(QUERIES[query], shard, endpoint_id, *which)
                if records:
                    columns = [list(column) for column in zip(*map(tuple, records), strict=True)]
                    await connection.execute(QUERIES["queue_again"], *columns, now)
                return len(records)

        return await self._router.write("restaurant", shard, do)

    async def drop_old(self, now: datetime, kept: timedelta) -> None:
        """Forget deliveries that have been over for long."""
        for node in self._router.nodes:
            held = self._router.shards_on("restaurant", node)
            for shards, _ in batches_of_shards(held, lambda shard: shard):
                await node.execute(QUERIES["drop_old"], *shards, now - kept)
