"""A marketplace on one node and on four."""

from collections.abc import AsyncIterator, Callable

import pytest

from manual_clock import ManualClock
from marketplace import Marketplace
from tiffin.sharding.router import Router


@pytest.fixture
async def market(
    router: Router, clock: ManualClock, new_id: Callable[[str], str]
) -> AsyncIterator[Marketplace]:
    """On one node."""
    async with Marketplace.open(router, clock, new_id) as market:
        yield market


@pytest.fixture(params=["router", "four_router"])
def layout(request: pytest.FixtureRequest) -> Router:
    """One node, then four."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def either_market(
    layout: Router, clock: ManualClock, new_id: Callable[[str], str]
) -> AsyncIterator[Marketplace]:
    """On one node, and again on four."""
    async with Marketplace.open(layout, clock, new_id) as market:
        yield market
