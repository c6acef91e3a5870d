"""Messages and preferences in the database: on the node of the person's shard, in the customer dimension."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

import asyncpg
import msgspec

from tiffin.events.reader import QUERIES as LOG_QUERIES
from tiffin.rpc import contracts as c
from tiffin.services.notifications.decision import LATE_KEPT, Preferences
from tiffin.services.notifications.message import MessageKey, MessageRow, key_of
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.read_many import batches_of_shards
from tiffin.sharding.router import Router, always, never
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.services.notifications")
COUNTS_KEPT = timedelta(days=2)
NEW_COLUMNS = 14
"""A new message is its first so many columns; the rest is what becomes of it."""

_decode = msgspec.json.Decoder(c.OrderEvent).decode


class MessageStore:
    """Reads and writes the schema `notifications`, but for what the sender does."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def add(self, rows: Sequence[MessageRow], due_at: datetime) -> set[MessageKey]:
        """Keep those that are new, to be looked at from `due_at` on; returns their keys."""
        new: set[MessageKey] = set()
        await self._router.until_settled(lambda: self._add(rows, due_at, new), always)
        return new

    async def _add(self, rows: Sequence[MessageRow], due_at: datetime, new: set[MessageKey]) -> None:
        by_node: defaultdict[Node, list[MessageRow]] = defaultdict(list)
        for row in sorted({key_of(row): row for row in rows}.values(), key=key_of):  # one order of locking
            by_node[self._router.node("customer", row.shard)].append(row)
        for node, some in by_node.items():
            columns = list(zip(*some, strict=True))[:NEW_COLUMNS]
            new.update(MessageKey(*record) for record in await node.fetch(QUERIES["add"], *columns, due_at))

    async def find(self, key: MessageKey) -> MessageRow | None:
        """One message."""

        async def ask(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["message"], *key)

        record = await self._router.read("customer", key.shard, ask)
        return MessageRow(*record) if record else None

    async def of_person(
        self, role: str, person_id: str, before: tuple[datetime, str], limit: int
    ) -> list[MessageRow]:
        """A person's messages, newest first, from before (created_at, key)."""
        shard = shard_of(person_id)

        async def ask(node: Node) -> list[asyncpg.Record]:
            return await node.fetch(QUERIES["of_person"], shard, role, person_id, *before, limit)

        return [MessageRow(*record) for record in await self._router.read("customer", shard, ask)]

    async def of_order(self, order_id: int) -> list[MessageRow]:
        """All messages about an order, oldest first. Its number names the customer's shard and the
        restaurant's; who has carried it is in the log."""
        shards = {customer_shard(order_id), restaurant_shard(order_id)}
        shards |= {shard_of(courier) for courier in await self._couriers(order_id)}

        async def ask(shard: int) -> list[asyncpg.Record]:
            return await self._router.read(
                "customer", shard, lambda node: node.fetch(QUERIES["of_order"], shard, order_id)
            )

        answers = await asyncio.gather(*map(ask, shards))
        rows = [MessageRow(*record) for records in answers for record in records]
        return sorted(rows, key=lambda row: (row.created_at, row.key))

    async def _couriers(self, order_id: int) -> set[str]:
        async def ask(node: Node) -> list[asyncpg.Record]:
            return await node.fetch(LOG_QUERIES["of_key"], "order", str(order_id))

        records = await self._router.read("customer", customer_shard(order_id), ask)
        events = (_decode(record["data"]) for record in records)
        return {event.courier_id for event in events if event.courier_id}

    async def since(self, moment: datetime, limit: int) -> list[MessageRow]:
        """The newest messages of all nodes, newest first."""
        answers = [await node.fetch(QUERIES["since"], moment, limit) for node in self._router.nodes]
        rows = [MessageRow(*record) for records in answers for record in records]
        return sorted(rows, key=lambda row: (row.created_at, row.key), reverse=True)[:limit]

    async def preferences(self, role: str, person_id: str) -> Preferences:
        """What the person has said, if anything."""
        shard = shard_of(person_id)

        async def ask(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["preferences"], shard, role, person_id)

        record = await self._router.read("customer", shard, ask)
        if record is None:
            return Preferences()
        return Preferences(**{**record, "opt_outs": record["opt_outs"].split()})

    async def set_preferences(self, role: str, person_id: str, preferences: Preferences) -> None:
        """Replace what the person has said."""
        shard = shard_of(person_id)
        *said, opt_outs = preferences

        async def do(node: Node) -> None:
            arguments = (shard, role, person_id, *said, " ".join(opt_outs))
            await node.execute(QUERIES["set_preferences"], *arguments)

        await self._router.write("customer", shard, do)

    async def forget_people(self, role: str, person_ids: Iterable[str]) -> None:
        """Nothing about these people stays. Again is the same."""
        for person_id in sorted(set(person_ids)):
            await self._router.until_settled(partial(self._forget, role, person_id), never)

    async def _forget(self, role: str, person_id: str) -> None:
        shard = shard_of(person_id)
        async with self._router.node("customer", shard).transaction() as connection:
            for name in ("forget_due", "forget_messages", "forget_preferences", "forget_counts"):
                await connection.execute(QUERIES[name], shard, role, person_id)

    async def drop_old(self, now: datetime, kept: timedelta) -> None:
        """Forget messages that are long over and that no repeated event makes again; old counts."""
        messages_before = (now - kept, now - LATE_KEPT)
        for node in self._router.nodes:
            held = self._router.shards_on("customer", node)
            for shards, _ in batches_of_shards(held, lambda shard: shard):
                await node.execute(QUERIES["drop_old"], *shards, *messages_before)
            await node.execute(QUERIES["drop_old_counts"], now - COUNTS_KEPT)
