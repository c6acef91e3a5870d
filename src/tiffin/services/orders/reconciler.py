"""The reconciler: proves the restaurant dimension equal to the truth, and repairs it from there.

It goes through all orders in ranges of their ids. Of each range every node adds up how many orders there
are and one fingerprint of them all, by the copies' shards; only where the sums of the two dimensions are
not equal does it look at single orders. No row is locked for that, so what differs may only be late: it is
a difference if the consumer that makes the copies has been there since, and the truth has not changed
meanwhile.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import structlog
from prometheus_client import Counter as CounterMetric

from tiffin.events.progress import has_caught_up
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Unavailable
from tiffin.services.orders import archive, statements
from tiffin.services.orders.archive import QUERIES as ARCHIVE
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.order import OrderRow
from tiffin.sharding.order_id import customer_shard, is_valid, restaurant_shard
from tiffin.sharding.router import Router
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

RANGE = 16_384 << 20
"""Ids a range is wide: at most so many orders, numbers being given out nearly without gaps."""
CAUGHT_UP_WITHIN_S = 60.0
"""How long the copy may be behind before a range is left for the next time."""
LOOKS_MAX = 20
"""An order that has changed each time it was looked at is left for the next time."""

Kind = Literal["missing", "extra", "differing"]

_QUERIES = load_queries("tiffin.services.orders", "reconciler.sql")
_checked = CounterMetric("tiffin_reconciler_orders", "Orders compared with their copies.")
_differences = CounterMetric("tiffin_reconciler_differences", "Copies that were not as the truth.", ["kind"])
_repaired = CounterMetric("tiffin_reconciler_repaired", "Copies made equal to the truth again.")
_log = structlog.get_logger()


class Place(NamedTuple):
    """Where a copy is, or belongs: a shard of the restaurant dimension, and the order."""

    shard: int
    order_id: int


class Difference(NamedTuple):
    """A copy that is not as the truth, and whether it was made so."""

    place: Place
    kind: Kind
    is_repaired: bool


@dataclass
class Findings:
    """What came out of some ranges."""

    orders: int = 0
    differences: list[Difference] = field(default_factory=list[Difference])
    unsettled: int = 0
    """Orders that could not be judged: they changed all the time, or the copy stayed behind."""

    def add(self, others: "Findings") -> None:
        """These and others together."""
        self.orders += others.orders
        self.differences += others.differences
        self.unsettled += others.unsettled


class _Fault(NamedTuple):
    place: Place
    kind: Kind
    seen: int | None
    """The fingerprint of the copy as it was seen."""


Fingerprints = Mapping[Place, int]


class Reconciler:
    """May run beside everything else, also several times at once. All may raise `Unavailable`."""

    def __init__(
        self,
        router: Router,
        clock: Clock,
        rested_s: float = 0.0,
        caught_up_within_s: float = CAUGHT_UP_WITHIN_S,
    ) -> None:
        """`rested_s`: only orders that have not changed for so long are looked at. Of the others some are
        always on their way, and make it look at single ones."""
        self._router = router
        self._clock = clock
        self._rested = timedelta(seconds=rested_s)
        self._caught_up_within_s = caught_up_within_s

    async def first_from(self, order_id: int) -> int | None:
        """The lowest id from this one on that either dimension has; None: there is none."""
        truths = await self._ask("customer", "first_truth", order_id)
        copies = await self._ask("restaurant", "first_copy", order_id)
        return min((row["min"] for row in (*truths, *copies) if row["min"] is not None), default=None)

    async def reconcile(self, low: int) -> Findings:
        """Compare the orders with an id in [low, low + RANGE), and repair what differs."""
        epoch, since = self._router.epoch, self._clock() - self._rested
        truths = await self._sums("customer", "truth_sums", low, since)
        copies = await self._sums("restaurant", "copy_sums", low, since)
        findings = Findings(orders=sum(orders for orders, _ in truths.values()))
        unequal = [shard for shard in {*truths, *copies} if truths.get(shard) != copies.get(shard)]
        if unequal:
            faults, findings.unsettled = await self._settle(await self._suspects(low, since, sorted(unequal)))
            if await self._router.changed(epoch):  # an order on its way between two nodes is on neither
                raise Unavailable("shards_moved", "shards moved while their orders were compared")
            findings.differences = await self._repair(faults)
        _checked.inc(findings.orders)
        return findings

    async def _suspects(self, low: int, since: datetime, shards: Sequence[int]) -> set[Place]:
        """Where the two dimensions are not equal at first sight. The truth first: no copy is ahead of it."""
        truths = await self._ask("customer", "truth_rows", low, low + RANGE, since, shards)
        copies = await self._ask("restaurant", "copy_rows", low, low + RANGE, since, only=shards)
        there, here = _fingerprints(truths), _fingerprints(copies)
        return {place for place in {*there, *here} if there.get(place) != here.get(place)}

    async def _settle(self, suspects: set[Place]) -> tuple[list[_Fault], int]:
        """What is wrong with these copies, and how many could not be judged."""
        faults: list[_Fault] = []
        for _ in range(LOOKS_MAX):
            before = await self._truths(suspects)
            for node in self._router.nodes:
                if not await has_caught_up(node, RestaurantCopy.name, self._caught_up_within_s):
                    return faults, len(suspects)
            copies = await self._copies(suspects)
            after = await self._truths(suspects)
            still = {place for place in suspects if before.get(place) == after.get(place)}
            faults += [
                _Fault(place, _kind(after.get(place), copies.get(place)), copies.get(place))
                for place in sorted(still)
                if after.get(place) != copies.get(place)
            ]
            suspects -= still
            if not suspects:
                break
        return faults, len(suspects)

    async def _repair(self, faults: Sequence[_Fault]) -> list[Difference]:
        """Take away each wrong copy if it is still the one that was seen, and copy the truth as it is now."""
        for fault in faults:
            await self._repair_one(fault)
        wrong, _ = await self._settle({fault.place for fault in faults})
        still = {fault.place for fault in wrong}
        for fault in faults:
            _differences.labels(fault.kind).inc()
            is_repaired = fault.place not in still
            _repaired.inc(is_repaired)
            _log.warning("copy_differed", order=fault.place.order_id, kind=fault.kind, repaired=is_repaired)
        return [Difference(fault.place, fault.kind, fault.place not in still) for fault in faults]

    async def _repair_one(self, fault: _Fault) -> None:
        shard, order_id = fault.place
        truth = None if fault.kind == "extra" else await self._row(order_id)

        async def write(node: Node) -> None:
            async with node.transaction() as connection:
                if fault.seen is not None:
                    await connection.execute(_QUERIES["remove_copy"], shard, order_id, fault.seen)
                    await connection.execute(ARCHIVE["remove_copy"], shard, order_id, fault.seen)
                if truth is not None:
                    await statements.copy(connection, [truth._replace(shard=shard)])

        await self._router.write("restaurant", shard, write)

    async def _row(self, order_id: int) -> OrderRow | None:
        shard = customer_shard(order_id)

        async def read(node: Node) -> OrderRow | None:
            async with node.connection() as connection:
                (row,) = await statements.read(connection, [(shard, order_id)])
                return row or await archive.get(node, order_id)

        return await self._router.read("customer", shard, read)

    async def _truths(self, places: Iterable[Place]) -> Fingerprints:
        """The truth of every copy that is where it belongs; one that is elsewhere has none."""
        found = await self._ask_for(
            "customer", "truths_of",
            [
                (customer_shard(of), of)
                for shard, of in places
                if is_valid(of) and shard == restaurant_shard(of)
            ],
        )  # fmt: skip
        return {Place(restaurant_shard(row["id"]), row["id"]): row["fingerprint"] for row in found}

    async def _copies(self, places: Iterable[Place]) -> Fingerprints:
        return _fingerprints(await self._ask_for("restaurant", "copies_of", places))

    async def _sums(
        self, dimension: Dimension, query: str, low: int, since: datetime
    ) -> dict[int, tuple[int, int]]:
        """By the copies' shard: how many orders, and one fingerprint of them all."""
        orders, fingerprints = Counter[int](), defaultdict[int, int](int)
        for row in await self._ask(dimension, query, low, low + RANGE, since):
            orders[row["shard"]] += row["orders"]
            fingerprints[row["shard"]] ^= row["fingerprint"]
        return {shard: (count, fingerprints[shard]) for shard, count in orders.items()}

    async def _ask(
        self, dimension: Dimension, query: str, *arguments: Any, only: Sequence[int] | None = None
    ) -> list[Any]:
        """The same of every node, for the dimension's shards that it holds (`only` these, if told)."""
        rows: list[Any] = []
        for node in self._router.nodes:
            shards = self._router.shards_on(dimension, node)
            held = shards if only is None else sorted(set(shards).intersection(only))
            if held:
                rows += await node.fetch(_QUERIES[query], held, *arguments)
        return rows

    async def _ask_for(self, dimension: Dimension, query: str, rows: Iterable[tuple[int, int]]) -> list[Any]:
        """The rows of these (shard, id), wherever they are."""
        by_node: defaultdict[Node, list[tuple[int, int]]] = defaultdict(list)
        for shard, order_id in rows:
            by_node[self._router.node(dimension, shard)].append((shard, order_id))
        found: list[Any] = []
        for node, of in by_node.items():
            found += await node.fetch(_QUERIES[query], [shard for shard, _ in of], [id_ for _, id_ in of])
        return found


def _fingerprints(rows: Iterable[Any]) -> Fingerprints:
    return {Place(row["shard"], row["id"]): row["fingerprint"] for row in rows}


def _kind(truth: int | None, copy: int | None) -> Kind:
    if truth is None:
        return "extra"
    return "missing" if copy is None else "differing"
