"""A change of a restaurant is heard by every process that keeps it in memory."""

import asyncio

from tiffin.services.restaurants.service import CHANGES
from tiffin.storage.node import Node
from tiffin.storage.notifications import follow


async def test_a_changed_restaurant_is_told_to_whoever_listens(node: Node, new_id) -> None:
    restaurant_id = new_id("restaurant")
    change = "UPDATE restaurants.restaurants SET version = version + 1 WHERE shard = 0 AND id = $1"
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = asyncio.create_task(follow(node, CHANGES, heard.put_nowait))
    await node.execute(
        "INSERT INTO restaurants.restaurants VALUES (0, $1, 1, '{}', '[]', '', 'draft')", restaurant_id
    )
    try:
        async with asyncio.timeout(30):
            while heard.empty():  # until it listens, changes go unheard
                await node.execute(change, restaurant_id)
                await asyncio.sleep(0.02)
            assert heard.get_nowait() == restaurant_id
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
