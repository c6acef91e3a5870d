"""Reading many keys at once, whichever nodes hold them."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from tiffin.sharding.router import Router
from tiffin.sharding.slots import Dimension, shard_of
from tiffin.storage.node import Node

Ask = Callable[[Node, Sequence[int], Sequence[str]], Awaitable[Sequence[asyncpg.Record]]]
"""Reads rows of one node, given the keys it should hold and their shards; each row has the key as `id`."""


async def read_many(
    router: Router, dimension: Dimension, keys: Sequence[str], ask: Ask
) -> dict[str, asyncpg.Record]:
    """Rows by key. A key that is not found is confirmed against the epoch before it is left out."""
    found = await _ask_nodes(router, dimension, keys, ask)
    missing = [key for key in keys if key not in found]
    if missing and await router.changed():
        found |= await _ask_nodes(router, dimension, missing, ask)
    return found


async def _ask_nodes(
    router: Router, dimension: Dimension, keys: Sequence[str], ask: Ask
) -> dict[str, asyncpg.Record]:
    by_node: defaultdict[Node, list[str]] = defaultdict(list)
    for key in keys:
        by_node[router.node(dimension, shard_of(key))].append(key)
    answers = await asyncio.gather(
        *(ask(node, [shard_of(key) for key in held], held) for node, held in by_node.items())
    )
    return {row["id"]: row for rows in answers for row in rows}
