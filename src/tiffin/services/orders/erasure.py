"""What an order forgets of a customer who was erased: where it went, and their note to the kitchen.

The rest stays: what was ordered, for how much, when, and the customer's id, which says nothing any more.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from tiffin.rpc import contracts as c
from tiffin.services.orders.archive import QUERIES as ARCHIVE
from tiffin.services.orders.order import Details, OrderRow, details_of
from tiffin.services.orders.statements import QUERIES
from tiffin.sharding.order_id import restaurant_shard
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

ENDED = frozenset({"delivered", "completed", "cancelled"})
"""States in which nobody needs the address any more."""
PAGE_MAX = 200
NOWHERE = c.Address(
    id="erased", label="erased", street="erased", city="erased", place=c.Place(latitude=0, longitude=0)
)
_encode = msgspec.json.Encoder().encode


def without_person(details: Details) -> Details:
    """The details without what says who ordered."""
    return msgspec.structs.replace(details, address=NOWHERE, note=None)


class Erasure:
    """Blanks the orders of a customer in both dimensions. Doing it again changes nothing."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def erase(self, customer_id: str, *, also_open: bool) -> None:
        """Blank the orders that have ended; with `also_open` all. The copies have to be up to date."""
        shard = shard_of(customer_id)
        for to_erase in (QUERIES["to_erase"], ARCHIVE["to_erase"]):  # what is archived meanwhile comes again
            after = 0
            while rows := await self._page(to_erase, shard, customer_id, after):
                blanked = {
                    row.id: _encode(without_person(details_of(row))).decode()
                    for row in rows
                    if also_open or row.state in ENDED
                }
                await self._blank(shard, blanked)
                after = rows[-1].id

    async def _page(self, to_erase: str, shard: int, customer_id: str, after: int) -> list[OrderRow]:
        async def ask(node: Node) -> Sequence[OrderRow]:
            rows = await node.fetch(to_erase, shard, customer_id, after, PAGE_MAX)
            return [OrderRow(*row) for row in rows]

        return list(await self._router.read("customer", shard, ask))

    async def _blank(self, shard: int, blanked: Mapping[int, str]) -> None:
        """The copies last: until they are blank as well, the truth is asked for again after a failure."""
        for order_id, details in blanked.items():
            fingerprint = await self._router.read(
                "customer", shard, partial(_blank, shard=shard, order_id=order_id, details=details)
            )
            await self._router.read(
                "restaurant",
                restaurant_shard(order_id),
                partial(_blank_copy, order_id=order_id, details=details, fingerprint=fingerprint),
            )


async def _blank(node: Node, shard: int, order_id: int, details: str) -> int | None:
    """Among the hot orders, or in the archive, where it may have gone meanwhile. Returns its fingerprint."""
    if not await node.fetch(QUERIES["blank"], shard, order_id, details):
        await node.fetch(ARCHIVE["blank"], shard, order_id, details)
    row = await node.fetchrow(ARCHIVE["fingerprint"], shard, order_id)
    return row["fingerprint"] if row else None


async def _blank_copy(node: Node, order_id: int, details: str, fingerprint: int | None) -> bool:
    """An archived copy has nothing to forget, but its seal is of the order as it was."""
    shard = restaurant_shard(order_id)
    return bool(await node.fetch(QUERIES["blank_copy"], shard, order_id, details)) or (
        fingerprint is not None and bool(await node.fetch(ARCHIVE["reseal"], shard, order_id, fingerprint))
    )
