"""The partitions of one node: it holds those of the shards that live there, and no others.

A missing partition is the fence: a writer with an old topology gets an error from the database itself.
"""

from collections.abc import Iterable

import asyncpg

from tiffin.sharding.slots import SHARDS, Dimension
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.sharding")
_LOCK = 0x7469666602


def is_missing_partition(error: BaseException) -> bool:
    """Whether the database refused a row because the shard does not live there."""
    return isinstance(error, asyncpg.CheckViolationError) and "no partition of relation" in str(error)


async def create_partitions(node: Node, dimension: Dimension, shards: Iterable[int]) -> None:
    """Give the node partitions of every sharded table of the dimension for these shards, where missing."""
    wanted = sorted(set(shards))
    if wanted and not 0 <= wanted[0] <= wanted[-1] < SHARDS:
        raise ValueError(f"no such shard among {wanted}")
    async with node.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        for table in await connection.fetch(_QUERIES["sharded_tables"], dimension):
            parent = f"{table['schema']}.{table['name']}"
            present = {row["shard"] for row in await connection.fetch(_QUERIES["partitions"], parent)}
            statements = [
                f"CREATE TABLE {parent}_{shard:03} PARTITION OF {parent} FOR VALUES IN ({shard})"
                f" WITH (fillfactor = {table['fillfactor']});"
                for shard in wanted
                if shard not in present
            ]
            if statements:
                await connection.execute("\n".join(statements))


async def drop_partitions(node: Node, dimension: Dimension, shards: Iterable[int]) -> None:
    """Take these shards' partitions, and all that is in them, off the node."""
    async with node.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        for table in await connection.fetch(_QUERIES["sharded_tables"], dimension):
            for shard in shards:
                await connection.execute(f"DROP TABLE IF EXISTS {table['schema']}.{table['name']}_{shard:03}")
