"""The way into the archive: orders that ended long ago, some at a time, for ever.

Each dimension moves by itself, node by node. An order goes by one statement that takes it out of one table
and puts it into the other; a process that dies between two statements has left nothing half done, and where
the next one begins does not matter. A copy follows once its order has gone.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import structlog
from prometheus_client import Counter as CounterMetric

from tiffin.events.reader import QUERIES as LOG_QUERIES
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Unavailable
from tiffin.services.orders.archive import AGE_MIN, QUERIES
from tiffin.sharding.read_many import rows_of_orders
from tiffin.sharding.router import Router
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import STATEMENT_TIMEOUT_S, Node

CHUNK = 500
"""Orders looked at, and at most archived, by one statement."""

Unsettled = Callable[[Sequence[int]], Awaitable[set[int]]]
"""Of these orders those about which somebody is not done: an open case, money on its way."""

_archived = CounterMetric("tiffin_archived_orders", "Orders that went to the archive.", ["dimension"])
_log = structlog.get_logger()


@dataclass
class Archived:
    """What came of going through some shards."""

    orders: int = 0
    copies: int = 0
    waiting: int = 0
    """Orders that ended long enough ago and stay: somebody is not done with them."""
    no_history: int = 0
    """Orders that stay because the log does not have all of their events."""
    failures: Counter[str] = field(default_factory=Counter[str])

    def add(self, other: "Archived") -> None:
        """Count those of another, too."""
        self.orders += other.orders
        self.copies += other.copies
        self.waiting += other.waiting
        self.no_history += other.no_history
        self.failures += other.failures


class Archiver:
    """Any number may be at work. All of it may raise `Unavailable`."""

    def __init__(
        self,
        router: Router,
        clock: Clock,
        unsettled: Unsettled,
        age: timedelta,
        orders_per_s: int | None = None,
    ) -> None:
        """`age`: so long ago an order has ended before it goes, `AGE_MIN` at least. Without `orders_per_s`
        it goes as fast as it can."""
        self._router = router
        self._clock = clock
        self._unsettled = unsettled
        self._age = max(age, AGE_MIN)
        self._orders_per_s = orders_per_s

    async def lead(self, node: Node) -> Archived | None:
        """Go through a node if nobody else does; None: somebody does."""
        connection = await node.connect(STATEMENT_TIMEOUT_S)
        try:
            if not await connection.fetchval(LOG_QUERIES["lead"], "orders.archiver"):
                return None
            return await self.archive_node(node)
        finally:
            connection.terminate()

    async def archive_node(self, node: Node) -> Archived:
        """Go through a node's orders, then its copies, once. A shard that fails keeps none of the others."""
        done = Archived()
        dimensions: Sequence[Dimension] = ("customer", "restaurant")
        for dimension in dimensions:
            archive = self.archive_orders if dimension == "customer" else self.archive_copies
            for shard in sorted(self._router.shards_on(dimension, node)):
                try:
                    done.add(await archive(node, shard))
                except Unavailable:
                    raise
                except Exception:
                    _log.exception("archiving_failed", node=node.name, dimension=dimension, shard=shard)
                    done.failures[f"{dimension}/{shard}"] += 1
        return done

    async def archive_orders(self, node: Node, shard: int) -> Archived:
        """Every order of a customer shard that may go."""
        done, after, ended_before = Archived(), 0, self._ended_before()
        while page := await node.fetch(QUERIES["ended"], shard, after, CHUNK, ended_before):
            after = page[-1]["id"]
            ended = [row["id"] for row in page if row["has_ended"]]
            unsettled = await self._unsettled(ended) if ended else set[int]()
            going = [order_id for order_id in ended if order_id not in unsettled]
            gone = await self._archive(node, shard, going, ended_before)
            done.orders += gone
            done.waiting += len(unsettled)
            done.no_history += len(going) - gone
            await self._rest(gone)
            if not ended and _is_young(page, ended_before):
                break
        return done

    async def archive_copies(self, node: Node, shard: int) -> Archived:
        """Every copy of a restaurant shard whose order is archived."""
        done, after, ended_before = Archived(), 0, self._ended_before()
        while page := await node.fetch(QUERIES["ended_copies"], shard, after, CHUNK, ended_before):
            after = page[-1]["id"]
            ended = [row["id"] for row in page if row["has_ended"]]
            gone = await self._archive_copies(node, shard, await self._versions(ended))
            done.copies += gone
            await self._rest(gone)
            if not ended and _is_young(page, ended_before):
                break
        return done

    def _ended_before(self) -> datetime:
        return self._clock() - self._age

    async def _archive(self, node: Node, shard: int, order_ids: Sequence[int], ended_before: datetime) -> int:
        if not order_ids:
            return 0
        keys = [str(order_id) for order_id in order_ids]
        gone = await node.fetch(QUERIES["archive"], shard, order_ids, keys, ended_before)
        _archived.labels("customer").inc(len(gone))
        return len(gone)

    async def _archive_copies(self, node: Node, shard: int, versions: dict[int, int]) -> int:
        if not versions:
            return 0
        gone = await node.fetch(QUERIES["archive_copies"], shard, list(versions), list(versions.values()))
        _archived.labels("restaurant").inc(len(gone))
        return len(gone)

    async def _versions(self, order_ids: Sequence[int]) -> dict[int, int]:
        """Of these orders, wherever their truth is, the archived ones with their versions."""
        rows = await rows_of_orders(self._router, QUERIES["versions"], order_ids)
        return {row["id"]: row["version"] for row in rows}

    async def _rest(self, orders: int) -> None:
        if self._orders_per_s is not None:
            await asyncio.sleep(orders / self._orders_per_s)


def _is_young(page: Sequence[asyncpg.Record], ended_before: datetime) -> bool:
    """Ids are given out in blocks, so nearly in the order of time: behind a whole page of younger orders
    there is no older one."""
    return all(row["placed_at"] >= ended_before for row in page)
