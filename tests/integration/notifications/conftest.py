"""Notifications on a database of their own: a sender claims whatever is due on a node."""

from collections.abc import AsyncIterator, Callable

import pytest

import databases
from integration.notifications.desk import Desk
from manual_clock import ManualClock
from tiffin.sharding.router import Router
from tiffin.storage.embedded import EmbeddedServer


@pytest.fixture(scope="session")
async def own_router(server: EmbeddedServer) -> AsyncIterator[Router]:
    """Two nodes with every schema, the shards spread over them."""
    nodes = await databases.open_platform(server, ["messages", "messages2"])
    yield await Router.open(nodes)
    for node in nodes:
        await node.close()


@pytest.fixture
async def desk(own_router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> Desk:
    """Everything of notifications, beside small services that know whom a test names; nothing is due."""
    for node in own_router.nodes:
        await node.execute("DELETE FROM notifications.due")
    return Desk(own_router, clock, new_id)
