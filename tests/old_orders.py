"""Orders by the thousand, carried to their end, with their events and their copies: written as sets."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from manual_clock import ManualClock
from tiffin.load.placing import Placing
from tiffin.rpc import contracts as c
from tiffin.services.orders import statements, transition
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.transition import Command, Moved
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence as OrderNumbers
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import Connection, Node

BATCH = 1024
COURIER = "courier-1"
WAY = ("accepted", "courier_assigned", "prepared", "picked_up", "delivered", "completed")


async def make_old_orders(router: Router, clock: ManualClock, count: int, step_s: float = 0.0) -> list[int]:
    """Completed orders, `step_s` between every two batches; ids in the order of time."""
    placing = Placing(OrderNumbers(router.directory), clock)
    made: list[int] = []
    while len(made) < count:
        moved = [await placing.next() for _ in range(min(BATCH, count - len(made)))]
        await _write(router, "customer", moved, statements.place)
        for event in WAY:
            moved = [_advanced(each, event, clock) for each in moved]
            await _write(router, "customer", moved, statements.move)
        await _write(router, "restaurant", moved, _copy)
        made += [each.row.id for each in moved]
        clock.advance(step_s)
    return made


def _advanced(before: Moved, event: str, clock: ManualClock) -> Moved:
    role = {"accepted": "restaurant", "prepared": "restaurant", "completed": "customer"}.get(event, "courier")
    ids = {
        "restaurant": before.row.restaurant_id, "customer": before.row.customer_id, "courier": COURIER,
    }  # fmt: skip
    caller = c.Caller(role=role, id=ids[role])
    return transition.advance(before.row, Command(event, caller, f"request-{event}"), Policy(), clock())


async def _copy(connection: Connection, moved: Sequence[Moved]) -> None:
    rows = [each.row._replace(shard=restaurant_shard(each.row.id)) for each in moved]
    await statements.copy(connection, sorted(rows, key=lambda row: (row.shard, row.id)))


async def _write(
    router: Router,
    dimension: Dimension,
    moved: Sequence[Moved],
    statement: Callable[[Connection, Sequence[Moved]], Awaitable[object]],
) -> None:
    by_node: defaultdict[Node, list[Moved]] = defaultdict(list)
    for each in moved:
        shard = (customer_shard if dimension == "customer" else restaurant_shard)(each.row.id)
        by_node[router.node(dimension, shard)].append(each)

    async def write(node: Node, some: Sequence[Moved]) -> None:
        async with node.connection() as connection:
            await statement(connection, some)

    await asyncio.gather(*(write(node, some) for node, some in by_node.items()))
