"""Whether a consumer has come as far as the log had when somebody asked."""

import asyncio

from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

LOOK_INTERVAL_S = 0.02

QUERIES = load_queries("tiffin.events", "progress.sql")


async def has_caught_up(node: Node, consumer: str, within_s: float) -> bool:
    """Wait until the consumer has handled all that is in the log now. False: it has not in that time."""
    last = await node.fetchrow(QUERIES["last"])
    if last is None:
        return True
    try:
        async with asyncio.timeout(within_s):
            while await _is_behind(node, consumer, last["xid"], last["position"]):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(LOOK_INTERVAL_S)
    except TimeoutError:
        return False
    return True


async def _is_behind(node: Node, consumer: str, xid: str, position: int) -> bool:
    row = await node.fetchrow(QUERIES["is_behind"], [consumer], xid, position)
    assert row is not None
    return row[0]
