"""PostgreSQL's logical replication between two nodes, for the tables of a move."""

import asyncio
from typing import NamedTuple

from tiffin.sharding.moving import tables
from tiffin.sharding.moving.move import Move, MoveError
from tiffin.sharding.moving.tables import QUERIES
from tiffin.storage.node import Node

LOOK_INTERVAL_S = 0.005
GONE_WITHIN_S = 30.0


class Progress(NamedTuple):
    """Of how many tables how many are copied."""

    tables: int
    ready: int


async def publish(node: Node, move: Move, name: str) -> None:
    """Offer the move's tables, its rows of the tables beside, and its marks; and keep what is to be sent."""
    if not await _is_there(node, "has_publication", name):
        offered = [f"tiffin.marks WHERE (move_id = {move.id})"]
        for dimension, shards in move.shards.items():
            if shards:
                own = await tables.sharded(node, dimension)
                offered += [table.of(shard) for table in own for shard in shards]
                some = ", ".join(map(str, shards))
                offered += [
                    f"{table.parent} WHERE (shard IN ({some}))"
                    for table in await tables.beside(node, dimension)
                ]
        await node.execute(f"CREATE PUBLICATION {name} FOR TABLE {', '.join(offered)}")
    if not await _is_there(node, "has_slot", name):
        await node.execute(QUERIES["make_slot"], name)


async def subscribe(node: Node, publisher: Node, name: str, *, copy: bool) -> None:
    """Take in what the publisher offers: with `copy` all rows, and every change of its own from now on.

    Changes it has itself got by replication are left out: otherwise they would go round in circles.
    """
    if not await _is_there(node, "has_subscription", name):
        url = publisher.url.replace("'", "''")
        await node.execute(
            f"CREATE SUBSCRIPTION {name} CONNECTION '{url}' PUBLICATION {name} WITH (create_slot = false,"
            f" slot_name = '{name}', copy_data = {str(copy).lower()}, origin = none)"
        )


async def unsubscribe(node: Node, publisher: Node, name: str) -> None:
    """Take no more, keep nothing more to be sent, offer nothing more. What is gone already is no fault."""
    if await _is_there(node, "has_subscription", name):
        await node.execute(f"ALTER SUBSCRIPTION {name} DISABLE")
        await node.execute(f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)")
        await node.execute(f"DROP SUBSCRIPTION {name}")
    async with asyncio.timeout(GONE_WITHIN_S):
        while await _is_there(publisher, "has_slot", name):  # its reader takes a moment to leave
            await publisher.execute(QUERIES["drop_slot"], name)
            await asyncio.sleep(LOOK_INTERVAL_S)
    await publisher.execute(f"DROP PUBLICATION IF EXISTS {name}")


async def progress(node: Node, name: str) -> Progress:
    """How far the first copy is."""
    row = await node.fetchrow(QUERIES["copied"], name)
    assert row is not None
    return Progress(*row)


async def catch_up(publisher: Node, subscriber: Node, move: Move, within_s: float) -> None:
    """Return once all that is committed on one side has come to the other. `MoveError`: not in time."""
    row = await publisher.fetchrow(QUERIES["mark"], move.id)
    assert row is not None
    try:
        async with asyncio.timeout(within_s):
            while not await _is_there(subscriber, "has_mark", move.id, row["number"]):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_INTERVAL_S)
    except TimeoutError:
        raise MoveError(
            f"what was written on {publisher.name} has not come to {subscriber.name} within {within_s:g} s:"
            " see the server's log there"
        ) from None


async def _is_there(node: Node, query: str, *arguments: object) -> bool:
    row = await node.fetchrow(QUERIES[query], *arguments)
    assert row is not None
    return row[0]
