"""What each statement of the orders service costs PostgreSQL, by the number of orders it is given at once.

CPU of the one backend that runs it, from /proc: that hardly depends on what else the machine does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tiffin.events import reader
from tiffin.load.cpu import process_seconds
from tiffin.load.placing import Placing
from tiffin.primitives.clock import Clock
from tiffin.rpc import contracts as c
from tiffin.services.orders import statements, transition
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.transition import Command, Moved
from tiffin.sharding.order_id import restaurant_shard
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence as Numbers
from tiffin.storage.node import Connection
from tiffin.storage.queries import load_queries

SIZES = (1, 8, 64, 256)
ROWS = 8192
"""Orders a figure rests on."""
WARM_UP = 1024

QUERIES = load_queries("tiffin.load")
READABLE_WITHIN_S = 60.0
"""More than any transaction of the server should last; an analyzing autovacuum is one, too."""

Item = TypeVar("Item")


async def measure_statements(router: Router, clock: Clock) -> dict[str, dict[int, float]]:
    """Microseconds of CPU an order (an event, for `read log`), by statement and by how many at once.

    The database should be for this alone, on this machine, and nothing else should write to it.
    """
    (node,) = router.nodes
    placing = Placing(Numbers(router.directory), clock)
    connection = await node.connect()
    try:
        await _measure(connection, placing, clock, SIZES[-1], WARM_UP)
        table: dict[str, dict[int, float]] = {}
        for size in SIZES:
            for statement, cost in (await _measure(connection, placing, clock, size, ROWS)).items():
                table.setdefault(statement, {})[size] = cost
        return table
    finally:
        await connection.close()


async def _measure(
    connection: Connection, placing: Placing, clock: Clock, size: int, rows: int
) -> dict[str, float]:
    """All statements with the same orders, so many at once."""
    placed = [await placing.next() for _ in range(rows)]
    accepted = [_accept(moved, clock) for moved in placed]
    places = [(moved.row.shard, moved.row.id) for moved in placed]
    copies = [moved.row._replace(shard=restaurant_shard(moved.row.id)) for moved in placed]
    recopies = [moved.row._replace(shard=restaurant_shard(moved.row.id)) for moved in accepted]
    pid: int = await connection.fetchval("SELECT pg_backend_pid()")
    cursor = await reader.end(connection)
    costs = {
        "place": await _cost(pid, size, placed, lambda some: statements.place(connection, some)),
        "move": await _cost(pid, size, accepted, lambda some: statements.move(connection, some)),
        "read": await _cost(pid, size, places, lambda some: statements.read(connection, some)),
        "copy, new": await _cost(pid, size, copies, lambda some: statements.copy(connection, some)),
        "copy, changed": await _cost(pid, size, recopies, lambda some: statements.copy(connection, some)),
    }

    async with asyncio.timeout(READABLE_WITHIN_S):
        await _readable(connection)

    async def read_log(some: Sequence[Moved]) -> None:
        nonlocal cursor
        events = await reader.read(connection, cursor, limit=len(some))
        cursor = reader.after(events[-1])

    costs["read log"] = await _cost(pid, size, placed, read_log)
    return costs


async def _readable(connection: Connection) -> None:
    """Return once readers are given all that is committed; while an older transaction runs they are not."""
    newest: str = await connection.fetchval(QUERIES["newest_transaction"])
    while not await connection.fetchval(QUERIES["all_ended_before"], newest):  # noqa: ASYNC110  PostgreSQL tells nobody
        await asyncio.sleep(0.01)


async def _cost(
    pid: int, size: int, items: Sequence[Item], run: Callable[[Sequence[Item]], Awaitable[object]]
) -> float:
    before = process_seconds(pid)
    for start in range(0, len(items), size):
        await run(items[start : start + size])
    return (process_seconds(pid) - before) * 1e6 / len(items)


def _accept(placed: Moved, clock: Clock) -> Moved:
    restaurant = c.Caller(role="restaurant", id=placed.row.restaurant_id)
    return transition.advance(placed.row, Command("accepted", restaurant, placed.trace), Policy(), clock())
