"""Histories come along: what the log of one node says of the move's shards is kept on the other.

Not in the log of the other: its readers would take old events for new ones.
"""

from collections.abc import Sequence
from typing import Any

from tiffin.sharding.moving.move import Move
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

PAGE = 5000

_QUERIES = load_queries("tiffin.sharding.moving", "log.sql")


class History:
    """Of one move, from one node to the other. Beginning it anew is harmless: nothing is kept twice."""

    def __init__(self, move: Move, source: Node, target: Node) -> None:
        self._shards = (list(move.shards["customer"]), list(move.shards["restaurant"]))
        self._source = source
        self._target = target
        self._after = ("0", 0)
        self._has_come_before = False

    async def advance(self) -> None:
        """Bring what can be brought while it is being written to."""
        if not self._has_come_before:
            await self._bring_older()
            self._has_come_before = True
        while rows := await self._source.fetch(_QUERIES["events_after"], *self._after, *self._shards, PAGE):
            await self._keep(rows)
            self._after = (rows[-1]["xid"], rows[-1]["position"])

    async def finish(self, dimension: Dimension, shard: int) -> None:
        """Bring what is left of a shard to which nobody writes any more."""
        await self._keep(await self._source.fetch(_QUERIES["last_events"], *self._after, dimension, shard))

    async def _bring_older(self) -> None:
        after: tuple[str, int, str] = ("", 0, "")
        while rows := await self._source.fetch(_QUERIES["came_before"], *self._shards, *after, PAGE):
            await self._keep(rows)
            after = (rows[-1]["key"], rows[-1]["version"], rows[-1]["stream"])

    async def _keep(self, rows: Sequence[Any]) -> None:
        if rows:
            await self._target.execute(
                _QUERIES["keep"], *(list(column) for column in zip(*rows, strict=True))
            )


async def forget(node: Node, move: Move) -> None:
    """Keep none of these shards' histories from elsewhere."""
    shards = (list(move.shards["customer"]), list(move.shards["restaurant"]))
    await node.execute(_QUERIES["forget"], *shards)
