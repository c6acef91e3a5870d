"""The restaurant dimension: a full copy of every order, kept by a reader of the log.

The same reader takes erasures: it comes to one only after every order that was placed before is copied, so no
copy made from an older row can come after it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import msgspec
import structlog

from tiffin.events.event import Event
from tiffin.rpc import contracts as c
from tiffin.services.orders import archive, statements
from tiffin.services.orders.erasure import Erasure
from tiffin.services.orders.order import OrderRow
from tiffin.services.orders.states import LEGACY_EVENTS
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.read_many import find_many
from tiffin.sharding.router import Router, always, never
from tiffin.storage.node import Node
from tiffin.storage.side_by_side import side_by_side

_LEGACY = frozenset(f"order.{event}" for event in LEGACY_EVENTS)
_log = structlog.get_logger()
_person_event = msgspec.json.Decoder(c.PersonEvent).decode


class RestaurantCopy:
    """Copies what changed: each order once a batch, as it is now. Older versions never replace newer ones."""

    name = "orders.restaurant_copy"

    def __init__(self, router: Router) -> None:
        self._router = router
        self._erasure = Erasure(router)

    async def handle(self, events: Sequence[Event]) -> None:
        """Bring the copies of these events' orders up to date, then forget whoever was erased."""
        await self._copy(events)
        for event in events:
            if event.type == "customer.erased":
                erased = _person_event(event.data)
                await self._erasure.erase(erased.person_id, also_open=erased.last)

    async def _copy(self, events: Sequence[Event]) -> None:
        changed = sorted({int(event.key) for event in events if event.stream == "order"})
        # These may have been disowned since.
        adopted = {int(event.key) for event in events if event.type in _LEGACY}
        disowned = {int(event.key) for event in events if event.type == "order.disowned"}
        found = await find_many(self._router, changed, self._read)
        missing = set(changed).difference(found)
        # What is archived is as it was when it ended: so is its copy, wherever that is. Nothing adopted is.
        unexplained = missing - adopted
        unexplained -= await self._archived(unexplained)
        if unexplained:
            _log.error("orders_not_found", orders=sorted(unexplained))
        await self._remove(disowned & missing)
        await self._router.until_settled(lambda: self._write(found.values()), always)

    async def _remove(self, order_ids: Collection[int]) -> None:
        """Take copies away, wherever they are."""
        if order_ids:
            await self._router.until_settled(lambda: self._remove_here(order_ids), never)

    async def _remove_here(self, order_ids: Collection[int]) -> None:
        by_node: defaultdict[Node, list[tuple[int, int]]] = defaultdict(list)
        for order_id in sorted(order_ids):
            shard = restaurant_shard(order_id)
            by_node[self._router.node("restaurant", shard)].append((shard, order_id))
        for node, places in by_node.items():
            async with node.connection() as connection:
                await statements.remove_copies(connection, places)

    async def _read(self, order_ids: Sequence[int]) -> dict[int, OrderRow]:
        by_node: dict[Node, list[tuple[int, int]]] = {}
        for order_id in order_ids:
            shard = customer_shard(order_id)
            by_node.setdefault(self._router.node("customer", shard), []).append((shard, order_id))
        answers = await side_by_side(_read_here(node, places) for node, places in by_node.items())
        return {row.id: row for rows in answers for row in rows if row is not None}

    async def _archived(self, order_ids: Iterable[int]) -> set[int]:
        found: set[int] = set()
        for order_id in order_ids:
            row = await self._router.read(
                "customer", customer_shard(order_id), lambda node, of=order_id: archive.get(node, of)
            )
            found |= {order_id} if row is not None else set()
        return found

    async def _write(self, rows: Iterable[OrderRow]) -> None:
        by_node: dict[Node, list[OrderRow]] = {}
        for row in sorted(rows, key=lambda row: (restaurant_shard(row.id), row.id)):
            shard = restaurant_shard(row.id)
            by_node.setdefault(self._router.node("restaurant", shard), []).append(row._replace(shard=shard))
        await side_by_side(_write_here(node, copies) for node, copies in by_node.items())


async def _read_here(node: Node, places: Sequence[tuple[int, int]]) -> Sequence[OrderRow | None]:
    async with node.connection() as connection:
        return await statements.read(connection, places)


async def _write_here(node: Node, copies: Sequence[OrderRow]) -> None:
    async with node.connection() as connection:
        await statements.copy(connection, copies)
