"""What a node's triggers say on a channel, heard by a connection kept for that."""

import asyncio
from collections.abc import Callable

import structlog

from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import CONNECTION_LOST, Node

CHECK_S = 5.0
"""How often a connection that says nothing is asked whether it is still there."""
PAUSE_S = 1.0

_log = structlog.get_logger()


async def follow(
    node: Node, channel: str, hear: Callable[[str], None], listening: Callable[[], None] = lambda: None
) -> None:
    """For ever: call `hear` with every payload. What is said while the connection is away is not heard:
    `listening` is called whenever a connection begins to listen.

    Ends by cancellation.
    """

    def notified(_connection: object, _process: int, _channel: str, payload: object) -> None:
        hear(str(payload))

    while True:
        try:
            connection = await node.connect()
        except Unavailable:
            await asyncio.sleep(PAUSE_S)
            continue
        try:
            await connection.add_listener(channel, notified)
            listening()
            while True:
                async with asyncio.timeout(CHECK_S):
                    await connection.fetchrow("SELECT 1")
                await asyncio.sleep(CHECK_S)
        except CONNECTION_LOST as error:
            _log.warning("notifications_interrupted", node=node.name, channel=channel, error=repr(error))
            await asyncio.sleep(PAUSE_S)
        finally:
            connection.terminate()
