"""Handing one shard over: for a moment it is on neither node, and nobody is told anything wrong of it.

1. The directory says that it is being switched. From now on a reader who finds nothing, and a writer who is
   refused, waits for the end of it (`Router.changed`).
2. On the old node nobody may take work of it from tables beside any more; then its own tables stop being
   partitions: the database refuses every writer. That is the fence.
3. A mark is written there; what has come to the new node before the mark is all there ever was.
4. On the new node its tables become partitions.
5. The directory says where it is now.

Each of these may be done twice: a switch that was cut short is simply done again, by anyone. One that fails
is undone: the shard stays where it was.
"""

import asyncio
import time
from contextlib import suppress

import asyncpg

from tiffin.sharding.moving import tables
from tiffin.sharding.moving.history import History
from tiffin.sharding.moving.move import Move, MoveError
from tiffin.sharding.moving.replication import catch_up
from tiffin.sharding.moving.tables import QUERIES, Dimensional
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import Connection, Node

LOCK_TIMEOUT_MS = 50
"""Behind who waits for the tables' locks every reader and writer of the node waits too."""
LOCKED_WITHIN_MS = 150
"""All of them together."""
FENCE_TRIES_MAX = 10
TRY_INTERVAL_S = 0.1
SWITCH_TRIES_MAX = 12
SWITCH_INTERVAL_S = 1.0
"""Between two tries at a switch the shard works where it is, and who has waited for its end goes on."""
NEAR_WITHIN_S = 60.0
"""Before the pause: how long what has gathered may take to arrive."""
ENDED_WITHIN_S = 1.0
"""Before the pause: how long who is at work may take. A backup would take for ever, and takes no work."""
LOOK_INTERVAL_S = 0.005
ARRIVED_WITHIN_S = 2.0
"""In the pause."""


async def switch(
    directory: Node | Connection,
    old: Node,
    new: Node,
    move: Move,
    history: History,
    dimension: Dimension,
    shard: int,
) -> float:
    """Hand a shard over. Returns for how long (seconds) it was on neither node; 0: it is there already.

    `MoveError`: it is where it was, and works; trying again may help.
    """
    for _ in range(SWITCH_TRIES_MAX):
        try:
            return await _switch(directory, old, new, move, history, dimension, shard)
        except _InUse:
            await asyncio.sleep(SWITCH_INTERVAL_S)
    raise MoveError(
        f"the tables of {dimension} shard {shard} on {old.name} are in use all the time:"
        " is there a long transaction?"
    )


class _InUse(Exception):
    """The tables' locks are not to be had."""


async def _switch(
    directory: Node | Connection, old: Node, new: Node, move: Move, history: History, dimension: Dimension,
    shard: int,
) -> float:  # fmt: skip
    holder = await directory.fetchrow(QUERIES["holder"], dimension, shard)
    assert holder is not None
    if holder["node"] == new.name:
        return 0.0
    own = await tables.of_dimension(old, dimension)
    await history.advance()
    await catch_up(old, new, move, NEAR_WITHIN_S)
    await directory.execute(QUERIES["begin_switch"], dimension, shard, old.name)
    try:
        await _stop_work(old, dimension, shard)
        began_s = await _fence(old, own, shard)
        await asyncio.gather(catch_up(old, new, move, ARRIVED_WITHIN_S), history.finish(dimension, shard))
        await _take_in(new, own, shard)
    except BaseException:
        await put_back(directory, old, new, dimension, shard)
        raise
    await directory.execute(QUERIES["end_switch"], dimension, shard, new.name)
    return time.monotonic() - began_s


async def put_back(
    directory: Node | Connection, old: Node, new: Node, dimension: Dimension, shard: int
) -> None:
    """End a switch that was begun: the shard stays where it was. Nobody has written elsewhere."""
    own = await tables.of_dimension(old, dimension)
    async with new.transaction() as connection:
        await tables.take_out(connection, own, shard)
    await _take_in(old, own, shard)
    await directory.execute(QUERIES["end_switch"], dimension, shard, old.name)


async def _take_in(node: Node, own: Dimensional, shard: int) -> None:
    async with node.transaction() as connection:
        await tables.take_in(connection, own, shard)


async def _stop_work(node: Node, dimension: Dimension, shard: int) -> None:
    """Let nobody take work of the shard from the tables beside any more. Who has some in hand and is writing
    down what came of it ends that first: after the fence half of it would be lost."""
    await node.execute(QUERIES["set_absent"], dimension, [shard])
    row = await node.fetchrow(QUERIES["since"])
    assert row is not None
    with suppress(TimeoutError):
        async with asyncio.timeout(ENDED_WITHIN_S):
            while True:
                over = await node.fetchrow(QUERIES["are_over"], row[0])
                if over and over[0]:
                    return
                await asyncio.sleep(LOOK_INTERVAL_S)


async def _fence(node: Node, own: Dimensional, shard: int) -> float:
    """Take the shard's tables out as soon as the locks are to be had. Returns when that began."""
    for _ in range(FENCE_TRIES_MAX):
        began_s = time.monotonic()
        try:
            async with node.transaction() as connection:
                await tables.lock(connection, own, LOCK_TIMEOUT_MS, LOCKED_WITHIN_MS)
                await tables.take_out(connection, own, shard)
        except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(TRY_INTERVAL_S)
        else:
            return began_s
    raise _InUse
