"""What a case forgets of a customer who was erased: all that was said about it, and the pictures.

The rest stays: what it was about, what went to whom, when who decided what.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from tiffin.services.reverse.case import Details, decode_details, encode_details
from tiffin.sharding.order_id import restaurant_shard
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

ENDED = frozenset({"withdrawn", "closed"})
"""States in which nobody has to decide by what was said."""
PAGE_MAX = 200
_QUERIES = load_queries("tiffin.services.reverse", "erasure.sql")
_BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), "")


def without_words(details: Details) -> Details:
    """The details with who said something when, and not what."""
    said = [msgspec.structs.replace(each, note=None, pictures=None) for each in details.evidence]
    return msgspec.structs.replace(details, evidence=said)


class Erasure:
    """Blanks the cases of a customer in both dimensions. Doing it again changes nothing."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def erase(self, customer_id: str, *, also_open: bool) -> None:
        """Blank the cases that have ended; with `also_open` all. One that moves meanwhile waits for the next
        time, which is why people are erased in rounds."""
        shard, after = shard_of(customer_id), _BEGINNING
        while rows := await self._page(shard, customer_id, after):
            for row in rows:
                if also_open or row["state"] in ENDED:
                    await self._blank(shard, row)
            after = rows[-1]["opened_at"], rows[-1]["id"]

    async def _page(
        self, shard: int, customer_id: str, after: tuple[datetime, str]
    ) -> Sequence[asyncpg.Record]:
        async def ask(node: Node) -> Sequence[asyncpg.Record]:
            return await node.fetch(_QUERIES["to_erase"], shard, customer_id, *after, PAGE_MAX)

        return await self._router.read("customer", shard, ask)

    async def _blank(self, shard: int, row: asyncpg.Record) -> None:
        """The copy last, and always: until it is blank as well, a failure brings the event again."""
        case_id, copy_shard = row["id"], restaurant_shard(row["order_id"])
        details = encode_details(without_words(decode_details(row["details"])))
        await self._router.read(
            "customer",
            shard,
            lambda node: node.fetch(_QUERIES["blank"], shard, case_id, row["version"], details),
        )
        await self._router.read(
            "restaurant",
            copy_shard,
            lambda node: node.fetch(_QUERIES["blank_copy"], copy_shard, case_id, details),
        )
