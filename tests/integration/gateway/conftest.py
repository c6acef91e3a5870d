from collections.abc import AsyncIterator

import pytest

from gateway_platform import Platform, running


@pytest.fixture(scope="session")
async def platform() -> AsyncIterator[Platform]:
    """One for all tests that do not mind each other; they keep apart by order ids and request ids."""
    async with running() as platform:
        yield platform
