"""What an order forgets of a customer who was erased: where it went, and their note to the kitchen.

The rest stays: what was ordered, for how much, when, and the customer's id, which says nothing any more.
"""

from collections.abc import Mapping, Sequence

import msgspec

from tiffin.rpc import contracts as c
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
        shard, after = shard_of(customer_id), 0
        while rows := await self._page(shard, customer_id, after):
            blanked = {
                row.id: _encode(without_person(details_of(row))).decode()
                for row in rows
                if also_open or row.state in ENDED
            }
            await self._blank(shard, blanked)
            after = rows[-1].id

    async def _page(self, shard: int, customer_id: str, after: int) -> list[OrderRow]:
        async def ask(node: Node) -> Sequence[OrderRow]:
            rows = await node.fetch(QUERIES["to_erase"], shard, customer_id, after, PAGE_MAX)
            return [OrderRow(*row) for row in rows]

        return list(await self._router.read("customer", shard, ask))

    async def _blank(self, shard: int, blanked: Mapping[int, str]) -> None:
        """The copies last: until they are blank as well, the truth is asked for again after a failure."""
        for order_id, details in blanked.items():
            await self._router.read(
                "customer",
                shard,
                lambda node, at=order_id, to=details: node.fetch(QUERIES["blank"], shard, at, to),
            )
            copy_shard = restaurant_shard(order_id)
            await self._router.read(
                "restaurant",
                copy_shard,
                lambda node, at=order_id, to=details, of=copy_shard: node.fetch(
                    QUERIES["blank_copy"], of, at, to
                ),
            )
