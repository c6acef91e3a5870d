"""The topology: which node holds which shard, as of an epoch. The directory (the first node) keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tiffin.sharding.partitions import create_partitions
from tiffin.sharding.slots import DIMENSIONS, SHARDS, Dimension
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.sharding")


@dataclass(frozen=True)
class Topology:
    """(dimension, shard) to the node's name."""

    epoch: int
    node_names: Mapping[tuple[Dimension, int], str]
    switching: frozenset[tuple[Dimension, int]] = frozenset()
    """On their way to another node, and on neither until the epoch goes up again."""
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the nodes that are listed, the directory first: URLs without user and password."""


async def read_epoch(directory: Node) -> int:
    """The directory's present epoch."""
    row = await directory.fetchrow(_QUERIES["epoch"])
    assert row is not None
    return row["epoch"]


async def read_topology(directory: Node) -> Topology:
    """The directory's present map."""
    rows = await directory.fetch(_QUERIES["topology"])
    return Topology(
        rows[0]["epoch"],
        {(row["dimension"], row["shard"]): row["node"] for row in rows if row["dimension"] is not None},
        frozenset((row["dimension"], row["shard"]) for row in rows if row["switching"]),
        {row["node"]: row["url"] for row in rows if row["url"] is not None},
    )


async def move_shards(directory: Node, dimension: Dimension, shards: Sequence[int], to: str) -> int:
    """Point shards at another node, data and partitions aside. Returns the new epoch."""
    async with directory.transaction() as connection:
        await connection.execute(
            "UPDATE tiffin.topology SET node = $3 WHERE dimension = $1 AND shard = ANY($2::smallint[])",
            dimension, list(shards), to,
        )  # fmt: skip
        return await connection.fetchval(_QUERIES["next_epoch"])


async def lay_out(directory: Node, nodes: Sequence[Node]) -> Topology:
    """Spread shards that have no node yet evenly over the nodes, in ranges, and create their partitions.

    Safe to run twice and by two processes at once.
    """
    shards = list(range(SHARDS))
    owners = [nodes[shard * len(nodes) // SHARDS].name for shard in shards]
    async with directory.transaction() as connection:
        added = [
            await connection.fetch(_QUERIES["lay_out"], [dimension] * SHARDS, shards, owners)
            for dimension in DIMENSIONS
        ]
        if any(added):
            await connection.execute(_QUERIES["next_epoch"])
    topology = await read_topology(directory)
    for node in nodes:
        for dimension in DIMENSIONS:
            mine = [
                shard
                for shard in shards
                if topology.node_names[dimension, shard] == node.name
                and (dimension, shard) not in topology.switching
            ]
            await create_partitions(node, dimension, mine)
    return topology
