"""Everything lives where its key says, and no node has room for what lives elsewhere."""

from collections.abc import Iterable
from typing import Any

from tiffin.audit.desk import Desk, shard_name
from tiffin.sharding import order_id as ids
from tiffin.sharding.slots import DIMENSIONS, SLOTS, SLOTS_PER_SHARD, Dimension, shard_of, slot_of
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

_SHARDING = load_queries("tiffin.sharding")


async def check_places(desk: Desk) -> None:
    """Partitions as in the topology; customers, payments, restaurants, dishes and holds in their shards.

    Orders and their copies are checked where they are read anyway: `check_order_places`.
    """
    for node in desk.router.nodes:
        for dimension in DIMENSIONS:
            await _check_partitions(desk, node, dimension)
    for dimension in DIMENSIONS:
        shards = desk.shards(dimension)
        for done, (node, shard) in enumerate(shards):
            desk.tell("places", done + len(shards) * DIMENSIONS.index(dimension), 2 * len(shards))
            rows = await desk.fetch(node, f"{dimension}_keys", shard)
            desk.report.checked["other rows"] += len(rows)
            for row in rows:
                where = shard_name(dimension, shard)
                for name, home in _homes(dimension, row):
                    if home != shard:
                        desk.add("places", node, where, row["subject"], _belongs(dimension, home, name))
                        break
    desk.tell("places", 1, 1)


def check_order_places(desk: Desk, node: Node, dimension: Dimension, shard: int, rows: Iterable[Any]) -> None:
    """An order's id names the slots of its customer (not told of archived copies) and of its restaurant, and
    one of them the shard."""
    for row in rows:
        order_id: int = row["id"]
        customer_slot = (
            min(order_id >> 10 & 1023, SLOTS - 1)
            if row["customer_id"] is None
            else slot_of(row["customer_id"])
        )
        slots = (customer_slot, slot_of(row["restaurant_id"]))
        if order_id != ids.make(max(order_id >> 20, 1), *slots):
            desk.add(
                "places", node, shard_name(dimension, shard), f"order {order_id}",
                f"is not of {row['customer_id']} and {row['restaurant_id']} by its id",
            )  # fmt: skip
        elif slots[DIMENSIONS.index(dimension)] // SLOTS_PER_SHARD != shard:
            key = row["customer_id"] if dimension == "customer" else row["restaurant_id"]
            what = _belongs(dimension, shard_of(key), key)
            desk.add("places", node, shard_name(dimension, shard), f"order {order_id}", what)


async def _check_partitions(desk: Desk, node: Node, dimension: Dimension) -> None:
    connection = desk.connections[node.name]
    mine = set(desk.router.shards_on(dimension, node))
    for table in await connection.fetch(_SHARDING["sharded_tables"], dimension):
        name = f"{table['schema']}.{table['name']}"
        present = set[int](table["shards"])
        for shard in sorted(present - mine):
            lives_on = desk.router.node(dimension, shard).name
            what = f"has a partition of a shard that lives on {lives_on}"
            desk.add("places", node, shard_name(dimension, shard), name, what)
        for shard in sorted(mine - present):
            desk.add("places", node, shard_name(dimension, shard), name, "lacks the partition of this shard")


def _homes(dimension: Dimension, row: Any) -> Iterable[tuple[str, int]]:
    """What a row has to live with, and where that is. What an order left that held nothing has no key."""
    order_id: int | None = row["order_id"]
    if row["key"] is not None:
        yield row["key"], shard_of(row["key"])
    if order_id is not None:
        shard = ids.customer_shard if dimension == "customer" else ids.restaurant_shard
        yield f"order {order_id}", shard(order_id)


def _belongs(dimension: Dimension, shard: int, name: str) -> str:
    return f"belongs to {shard_name(dimension, shard)}, as {name} does"
