"""Reading many keys at once, whichever shards and nodes hold them."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import asyncpg

from tiffin.sharding.order_id import customer_shard, is_valid
from tiffin.sharding.router import Router, never
from tiffin.sharding.slots import Dimension, shard_of
from tiffin.storage.node import Node

Key = TypeVar("Key")
Found = TypeVar("Found")

SHARDS_MAX = 8
"""Shards of one statement. `shard IN ($1, .. $8)` opens the partitions of these alone, `shard = ANY($1)` all
120: measured 85 us of CPU for one key and 33 us a key for eight, against 490 and 120. A lateral subquery over
`unnest` costs 270 us for one key and 11 us a key for 64: it is for readers that always come with many."""

Ask = Callable[[Node, Sequence[int], Sequence[str]], Awaitable[Sequence[asyncpg.Record]]]
"""Reads rows of one node. Is given exactly `SHARDS_MAX` shards and the keys; each row has its key as `id`."""


async def read_many(
    router: Router, dimension: Dimension, keys: Sequence[str], ask: Ask
) -> dict[str, asyncpg.Record]:
    """Rows by key. A key that is not found is confirmed against the epoch before it is left out."""
    return await find_many(router, keys, lambda some: _ask_nodes(router, dimension, some, ask))


async def find_many(
    router: Router, keys: Sequence[Key], find: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Found]]]
) -> dict[Key, Found]:
    """What there is, by key. Keys that nothing is found of are looked for again if shards moved meanwhile."""
    found: dict[Key, Found] = {}

    async def look() -> bool:
        found.update(await find([key for key in keys if key not in found] if found else keys))
        return all(key in found for key in keys)

    await router.until_settled(look, bool)
    return found


def batches_of_shards(keys: Iterable[Key], shard: Callable[[Key], int]) -> list[tuple[list[int], list[Key]]]:
    """Keys in as many batches as their shards need, each of exactly `SHARDS_MAX` shards, some repeated."""
    by_shard: defaultdict[int, list[Key]] = defaultdict(list)
    for key in keys:
        by_shard[shard(key)].append(key)
    shards = sorted(by_shard)
    batches: list[tuple[list[int], list[Key]]] = []
    for first in range(0, len(shards), SHARDS_MAX):
        some = shards[first : first + SHARDS_MAX]
        padding = some[:1] * (SHARDS_MAX - len(some))
        batches.append((some + padding, [key for each in some for key in by_shard[each]]))
    return batches


async def rows_of_orders(router: Router, query: str, order_ids: Sequence[int]) -> list[asyncpg.Record]:
    """What a statement, which is given shards and ids, finds about orders where their truths are. It is asked
    again if shards moved meanwhile."""
    if not order_ids:
        return []
    return await router.until_settled(lambda: _ask_truths(router, query, order_ids), never)


async def _ask_truths(router: Router, query: str, order_ids: Sequence[int]) -> list[asyncpg.Record]:
    by_node: defaultdict[Node, list[int]] = defaultdict(list)
    for order_id in filter(is_valid, order_ids):
        by_node[router.node("customer", customer_shard(order_id))].append(order_id)
    rows: list[asyncpg.Record] = []
    for node, some in by_node.items():
        rows += await node.fetch(query, [customer_shard(order_id) for order_id in some], some)
    return rows


async def _ask_nodes(
    router: Router, dimension: Dimension, keys: Sequence[str], ask: Ask
) -> dict[str, asyncpg.Record]:
    by_node: defaultdict[Node, list[str]] = defaultdict(list)
    for key in keys:
        by_node[router.node(dimension, shard_of(key))].append(key)
    answers = await asyncio.gather(
        *(
            ask(node, shards, some)
            for node, held in by_node.items()
            for shards, some in batches_of_shards(held, shard_of)
        )
    )
    return {row["id"]: row for rows in answers for row in rows}
