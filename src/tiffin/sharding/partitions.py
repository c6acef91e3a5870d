"""The partitions of one node: it holds those of the shards that live there, and no others.

A missing partition is the fence: a writer with an old topology gets an error from the database itself.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import asyncpg

from tiffin.primitives.errors import Unavailable
from tiffin.sharding.slots import SHARDS, Dimension
from tiffin.storage.node import CONNECTION_LOST, Connection, Node
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.sharding")
_LOCK = 0x7469666602

LAYOUT_TIMEOUT_S = 300.0
"""For the lock and for each statement. Whoever has the lock may be making all partitions of a new node: that
takes seconds, and minutes if the machine is busy."""


def is_missing_partition(error: BaseException) -> bool:
    """Whether the database refused a row because the shard does not live there."""
    return isinstance(error, asyncpg.CheckViolationError) and "no partition of relation" in str(error)


async def create_partitions(node: Node, dimension: Dimension, shards: Iterable[int]) -> None:
    """Give the node partitions of every sharded table of the dimension for these shards, where missing.

    A transaction a table: one for all would hold locks on ten thousand relations, and finding its way among
    them costs it a quarter of the time. What stops half way goes on with the next call. A table that a mover
    has taken out meanwhile is left as it is.
    """
    wanted = sorted(set(shards))
    if wanted and not 0 <= wanted[0] <= wanted[-1] < SHARDS:
        raise ValueError(f"no such shard among {wanted}")
    tables = await node.fetch(_QUERIES["sharded_tables"], dimension)
    if all(set(wanted) <= set(table["shards"]) for table in tables):
        return
    async with _alone_on(node) as connection:
        for table in await connection.fetch(_QUERIES["sharded_tables"], dimension):
            parent = f"{table['schema']}.{table['name']}"
            statements = [
                f"CREATE TABLE IF NOT EXISTS {parent}_{shard:03} PARTITION OF {parent}"
                f" FOR VALUES IN ({shard}) WITH (fillfactor = {table['fillfactor']});"
                for shard in wanted
                if shard not in table["shards"]
            ]
            if statements:
                await connection.execute("\n".join(statements))


async def drop_partitions(node: Node, dimension: Dimension, shards: Iterable[int]) -> None:
    """Take these shards' partitions, and all that is in them, off the node."""
    async with _alone_on(node) as connection, connection.transaction():
        for table in await connection.fetch(_QUERIES["sharded_tables"], dimension):
            for shard in shards:
                await connection.execute(f"DROP TABLE IF EXISTS {table['schema']}.{table['name']}_{shard:03}")


@asynccontextmanager
async def _alone_on(node: Node) -> AsyncGenerator[Connection]:
    """A connection of one's own; as long as it is open nobody else changes the node's partitions."""
    connection = await node.connect(LAYOUT_TIMEOUT_S)
    try:
        await connection.execute(_QUERIES["lock_partitions"], _LOCK)
        yield connection
    except CONNECTION_LOST as error:
        raise Unavailable("database_unavailable", f"node {node.name}: {error!r}") from error
    finally:
        await connection.close()
