"""A town on one node."""

from collections.abc import AsyncIterator, Callable

import pytest

from integration.reverse.town import Town
from manual_clock import ManualClock
from tiffin.sharding.router import Router


@pytest.fixture
async def town(router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> AsyncIterator[Town]:
    """A market with cases."""
    async with Town.open(router, clock, new_id) as town:
        yield town
