"""Two nodes of one's own to move shards between, with a small sharded table."""

from collections.abc import AsyncIterator

import pytest

import databases
from tiffin.sharding.partitions import create_partitions, drop_partitions
from tiffin.sharding.router import Router
from tiffin.sharding.slots import SHARDS
from tiffin.sharding.topology import move_shards
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

PARCELS = """
CREATE SCHEMA parcels;
CREATE TABLE parcels.parcels (
    shard smallint NOT NULL, id text NOT NULL, content text NOT NULL CHECK (content <> 'bomb'),
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE parcels.parcels IS 'dimension: customer, fillfactor: 80';
"""


@pytest.fixture(scope="module")
async def depots(server: EmbeddedServer) -> AsyncIterator[list[Node]]:
    """Nodes `left` (the directory, shards 0 to 59) and `right` (60 to 119) with a table `parcels.parcels`."""
    nodes = await databases.open_platform(server, ["left", "right"])
    router = await Router.open(nodes)
    for node in nodes:
        await node.execute(PARCELS)
        await create_partitions(node, "customer", router.shards_on("customer", node))
    yield nodes
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, ["left", "right"])


class Mover:
    """Moves a shard of customers by hand, without anybody writing meanwhile."""

    def __init__(self, depots: list[Node]) -> None:
        self.left, self.right = depots

    async def move(self, shard: int, source: Node, target: Node) -> None:
        await create_partitions(target, "customer", [shard])
        rows = await source.fetch("SELECT * FROM parcels.parcels WHERE shard = $1", shard)
        for row in rows:
            await target.execute("INSERT INTO parcels.parcels VALUES ($1, $2, $3)", *row)
        await move_shards(self.left, "customer", [shard], target.name)
        await drop_partitions(source, "customer", [shard])


@pytest.fixture
def mover(depots: list[Node]) -> Mover:
    return Mover(depots)


_unused_shards = iter(range(SHARDS // 2))


@pytest.fixture
def shard() -> int:
    """A shard that lives on `left` and that no other test has."""
    return next(_unused_shards)
