"""Every order that waits is in the table the sweeper reads, at its deadline, and nothing else is."""

from tiffin.audit.desk import Desk, shard_name


async def check_deadlines(desk: Desk) -> None:
    """Hold `orders.deadlines` against the orders, node by node."""
    for done, node in enumerate(desk.router.nodes):
        desk.tell("deadlines", done, len(desk.router.nodes))
        async with desk.snapshot(node):
            shards = desk.router.shards_on("customer", node)
            for row in await desk.fetch(node, "deadlines_apart", shards):
                what = (
                    f"is due at {row['ordered']}, which the sweeper does not know"
                    if row["swept"] is None
                    else f"is not due at {row['swept']}, as the sweeper believes"
                )
                desk.add("deadlines", node, shard_name("customer", row["shard"]), f"order {row['id']}", what)
    desk.tell("deadlines", 1, 1)
