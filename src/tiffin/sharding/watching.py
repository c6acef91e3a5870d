"""Every new topology, and with it every new node, is heard of within a moment; and looked for, in case."""

import asyncio
from collections.abc import Sequence

import structlog

from tiffin.primitives.errors import Unavailable
from tiffin.sharding.router import Router
from tiffin.storage.node import Node
from tiffin.storage.notifications import follow

CHANNEL = "tiffin_topology"
LOOK_INTERVAL_S = 5.0
"""A notification that was lost costs so much. It costs no writes: those are fenced by the databases."""
APART_S = 0.2
"""While many shards are switched, not every epoch is looked at."""

_log = structlog.get_logger()


async def watch(directory: Node, routers: Sequence[Router]) -> None:
    """For ever: keep these routers up to date. Ends by cancellation."""
    news = asyncio.Event()
    hearing = asyncio.create_task(
        follow(directory, CHANNEL, lambda _: news.set(), listening=news.set), name="topology"
    )
    try:
        while True:
            try:
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    await news.wait()
            except TimeoutError:
                pass
            news.clear()
            for result in await asyncio.gather(*(each.refresh() for each in routers), return_exceptions=True):
                if isinstance(result, Unavailable):
                    _log.warning("topology_not_read", error=result.message)
                elif isinstance(result, Exception):
                    _log.error("topology_not_taken", exc_info=result)
            await asyncio.sleep(APART_S)
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
