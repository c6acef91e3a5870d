"""Webhooks whole. A sender claims whatever is due on a node: nobody else's tests leave anything there."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from integration.webhooks.receiver import Receiver
from integration.webhooks.till import Till
from manual_clock import ManualClock
from tiffin.sharding.router import Router


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A system that takes everything, until a test says otherwise."""
    async with Receiver.open() as receiver:
        yield receiver


@pytest.fixture
async def till(router: Router, new_id: Callable[[str], str]) -> AsyncIterator[Till]:
    """Everything of webhooks, on one node."""
    async with AsyncExitStack() as stack:
        yield await _till(stack, router, new_id)


@pytest.fixture
async def wide_till(four_router: Router, new_id: Callable[[str], str]) -> AsyncIterator[Till]:
    """Everything of webhooks, on four nodes."""
    async with AsyncExitStack() as stack:
        yield await _till(stack, four_router, new_id)


async def _till(stack: AsyncExitStack, router: Router, new_id: Callable[[str], str]) -> Till:
    """Nothing waits. The clock stands at the real present: receivers look at it."""
    for node in router.nodes:
        await node.execute("DELETE FROM webhooks.queue; DELETE FROM webhooks.lanes")
    now = datetime.now(UTC).replace(microsecond=0)
    return await Till.open(stack, router, ManualClock(now), new_id)
