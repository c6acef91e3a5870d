"""A migration at work on one node: what a process of `tiffin migrate` has."""

from datetime import UTC, datetime

from tiffin.migration.backfill import Backfill
from tiffin.migration.comparing import Compared, Comparison
from tiffin.migration.mapping import read_mapping
from tiffin.migration.pacing import Tell, tell_nobody
from tiffin.migration.record import Migration, Record
from tiffin.migration.rows import convert
from tiffin.migration.sources import Source
from tiffin.migration.sources.opening import open_source
from tiffin.migration.undoing import undo_backfill
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.orders.adoption import AdoptionDesk
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.store import OrderStore
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence
from tiffin.storage.node import Node

LASTS_S = 0.3


def now() -> datetime:
    return datetime.now(UTC)


def context() -> c.CallContext:
    return new_context("system", "migration", now(), 60_000)


class Side:
    """With an orders service of its own."""

    def __init__(self, router: Router, migration: Migration, tell: Tell) -> None:
        self.name = migration.name
        self.record = Record(router.directory)
        self.mapping = read_mapping(migration.mapping)
        self.source: Source = open_source(self.mapping)
        self.store = OrderStore(router)
        self.orders = AdoptionDesk(self.store, Sequence(router.directory), now, Policy())
        self._tell = tell

    @classmethod
    async def open(cls, node: Node, name: str, tell: Tell = tell_nobody) -> "Side":
        return cls(await Router.open([node]), await Record(node).get(name), tell)

    async def backfill(self, rows_per_s: int | None = None) -> Migration:
        work = Backfill(self.mapping, self.source, self.orders, self.record, context, self._tell)
        return await work.run(rows_per_s)

    async def compare(self, *, repair: bool = False, lasts_s: float = LASTS_S) -> Compared:
        comparison = Comparison(self.mapping, self.source, self.orders, context, self._tell, lasts_s=lasts_s)
        return await comparison.run(repair=repair)

    async def undo(self) -> int:
        return await undo_backfill(self.name, self.orders, self.record, context)

    async def adopt(self, keys: list[str]) -> None:
        """What a follower does: these rows as they are now."""
        told = [convert(self.mapping, row) for row in await self.source.of_keys(keys)]
        await self.orders.adopt(context(), c.AdoptOrders(source=self.name, orders=told))

    async def close(self) -> None:
        await self.store.close()
        await self.source.close()
