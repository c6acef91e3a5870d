from collections.abc import AsyncIterator, Callable

import pytest

from integration.users.town import Town
from manual_clock import ManualClock
from tiffin.sharding.router import Router


@pytest.fixture
async def town(router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> AsyncIterator[Town]:
    async with Town(router, clock, new_id).open() as town:
        yield town
