"""Orders in PostgreSQL: which node, which lane, and what to do when the topology has moved on."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from tiffin.events.reader import QUERIES as LOG_QUERIES
from tiffin.events.waking import Waker
from tiffin.rpc.contracts import OrderEvent
from tiffin.services.orders import archive, statements
from tiffin.services.orders.archive import ArchivePages
from tiffin.services.orders.legacy_store import LegacyStore
from tiffin.services.orders.order import OrderRow
from tiffin.services.orders.statements import QUERIES
from tiffin.services.orders.states import TERMINAL
from tiffin.services.orders.transition import Moved
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.read_many import find_many
from tiffin.sharding.router import Router
from tiffin.sharding.slots import Dimension, shard_of
from tiffin.storage.group_commit import LANES, GroupCommit, Key
from tiffin.storage.node import Node
from tiffin.storage.per_node import PerNode
from tiffin.storage.turns import Turns

Answer = TypeVar("Answer")
_event_decoder = msgspec.json.Decoder(OrderEvent)
MANY = 4
"""With so many nodes each needs one lane only: they take turns."""


class OrderStore:
    """Every read and write of orders. All may raise `Unavailable`."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._archive = ArchivePages(router)
        self._wakers = PerNode(lambda node: Waker(node, lambda: len(router.nodes)))
        self._places = self._groups(statements.place, statements.settle_place)
        self._moves = self._groups(statements.move, statements.settle_move)
        self.legacy = LegacyStore(router, lambda node: self._wakers[node].wake)
        """What is about orders of other systems."""
        turns = Turns(self._batches)
        self._reads = PerNode(
            lambda node: GroupCommit(
                node, statements.read, statements.read_again, key=_itself, turns=turns, lanes=self._lanes
            )
        )

    async def place(self, placed: Moved, within_s: float) -> bool:
        """Store a new order. False: this customer has used this idempotency key already."""
        return await self._router.write(
            "customer", placed.row.shard, lambda node: self._places[node].submit(placed, within_s)
        )

    async def move(self, moved: Moved, within_s: float) -> bool:
        """Store an order's next version. False: somebody else has moved it meanwhile."""
        return await self._router.write(
            "customer", moved.row.shard, lambda node: self._moves[node].submit(moved, within_s)
        )

    async def get(self, order_id: int, within_s: float) -> OrderRow | None:
        """An order, from the truth: among the hot ones, then in the archive."""
        shard = customer_shard(order_id)

        async def ask(node: Node) -> OrderRow | None:
            hot = await self._reads[node].submit((shard, order_id), within_s)
            return hot or await archive.get(node, order_id)

        return await self._router.read("customer", shard, ask)

    async def get_many(self, order_ids: Sequence[int]) -> list[OrderRow]:
        """Those orders that there are, from the truth. What is missing is confirmed against the epoch."""
        return list((await find_many(self._router, order_ids, self._read_many)).values())

    async def by_key(self, customer_id: str, idempotency_key: str) -> OrderRow | None:
        """The order that a customer has placed under a key."""
        shard = shard_of(customer_id)
        record = await self._router.read(
            "customer",
            shard,
            lambda node: node.fetchrow(QUERIES["by_key"], shard, customer_id, idempotency_key),
        )
        return OrderRow(*record) if record else None

    async def page(
        self,
        dimension: Dimension,
        key: str,
        state: str | None,
        before: tuple[datetime, int],
        limit: int,
        now: datetime,
    ) -> list[OrderRow]:
        """Orders of one customer or one restaurant, newest first, placed before (moment, id)."""
        shard = shard_of(key)
        query = QUERIES["of_customer" if dimension == "customer" else "of_restaurant"]
        records = await self._router.read(
            dimension, shard, lambda node: node.fetch(query, shard, key, *before, state, limit)
        )
        hot = [OrderRow(*record) for record in records]
        if not archive.may_hold(hot, state, limit, now):
            return hot
        return archive.merge(hot, await self._archive.page(dimension, key, state, before, limit), limit)

    async def history(self, order_id: int) -> list[OrderEvent]:
        """Everything that has happened to an order, oldest first. Of an archived order the archive knows it,
        of others the log."""

        async def ask(node: Node) -> list[OrderEvent]:
            records = await node.fetch(LOG_QUERIES["of_key"], "order", str(order_id))
            events = [_event_decoder.decode(record["data"]) for record in records]
            if events and events[-1].to_state not in TERMINAL:
                return events
            return await archive.history(node, order_id) or events

        return await self._router.read("customer", customer_shard(order_id), ask)

    async def close(self) -> None:
        """Finish what is in flight."""
        for groups in (self._places, self._moves, self._reads):
            await groups.close()
        await self.legacy.close()
        await self._wakers.close()

    async def _read_many(self, order_ids: Sequence[int]) -> dict[int, OrderRow]:
        by_node: defaultdict[Node, list[Key]] = defaultdict(list)
        for order_id in order_ids:
            shard = customer_shard(order_id)
            by_node[self._router.node("customer", shard)].append((shard, order_id))
        found: dict[int, OrderRow] = {}
        for node, places in by_node.items():
            async with node.connection() as connection:
                found |= {row.id: row for row in await statements.read(connection, places) if row is not None}
                others = [place for place in places if place[1] not in found]
                found |= {row.id: row for row in await archive.get_many(connection, others)}
        return found

    def _groups(
        self,
        run: Callable[..., Awaitable[Sequence[bool]]],
        settle: Callable[..., Awaitable[Sequence[bool | None]]],
    ) -> PerNode[GroupCommit[Moved, bool]]:
        """One a node; whoever reads its log is woken after every commit."""
        turns = Turns(self._batches)
        return PerNode(
            lambda node: GroupCommit(
                node,
                run,
                settle,
                key=statements.key_of,
                committed=self._wakers[node].wake,
                turns=turns,
                lanes=self._lanes,
            )
        )

    def _batches(self) -> int:
        """So many under way at a time: as with one node, or one for every four nodes, lest one waits long."""
        return max(LANES, len(self._router.nodes) // 4)

    @property
    def _lanes(self) -> int:
        return LANES if len(self._router.nodes) < MANY else 1


def _itself(place: Key) -> Key:
    return place
