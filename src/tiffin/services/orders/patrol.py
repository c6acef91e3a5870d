"""Going through all orders with the reconciler: now, or again and again at a set pace."""

import asyncio
from collections.abc import Awaitable, Callable

from tiffin.events.reader import QUERIES as LOG_QUERIES
from tiffin.primitives.clock import Clock
from tiffin.services.orders.reconciler import RANGE, Findings, Reconciler
from tiffin.sharding.router import Router
from tiffin.storage.node import STATEMENT_TIMEOUT_S

RESTED_S = 60.0

Visit = Callable[[int, Findings], Awaitable[None]]


async def walk(reconciler: Reconciler, visit: Visit) -> Findings:
    """Go through all orders once. `visit` is told of each range: its first id, and what was found in it."""
    found, low = Findings(), 0
    while (first := await reconciler.first_from(low)) is not None:
        of_range = await reconciler.reconcile(first)
        found.add(of_range)
        await visit(first, of_range)
        low = first + RANGE
    return found


async def patrol(router: Router, clock: Clock, orders_per_s: int) -> bool:
    """Go through all orders once, at most so fast; of several processes one does. False: no more to do."""

    async def rest(first: int, of_range: Findings) -> None:
        await asyncio.sleep(of_range.orders / orders_per_s)

    connection = await router.directory.connect(STATEMENT_TIMEOUT_S)
    try:
        if await connection.fetchval(LOG_QUERIES["lead"], "orders.reconciler"):
            await walk(Reconciler(router, clock, RESTED_S), rest)
    finally:
        connection.terminate()
    return False
