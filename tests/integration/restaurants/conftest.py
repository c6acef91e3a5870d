from collections.abc import AsyncIterator, Callable

import pytest

from integration.restaurants.kitchen import Kitchen
from manual_clock import ManualClock
from tiffin.sharding.router import Router


@pytest.fixture
async def kitchen(router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> AsyncIterator[Kitchen]:
    kitchen = Kitchen(router, clock, new_id)
    yield kitchen
    await kitchen.stock.close()


@pytest.fixture
async def other_kitchen(
    router: Router, clock: ManualClock, new_id: Callable[[str], str]
) -> AsyncIterator[Kitchen]:
    """A second process on the same databases."""
    kitchen = Kitchen(router, clock, new_id)
    yield kitchen
    await kitchen.stock.close()
