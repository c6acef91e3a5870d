"""One town of two nodes for all of the auditor's tests; what a test spoils is put back."""

from collections.abc import AsyncIterator

import pytest

import databases
from integration.audit.town import Town
from tiffin.sharding.router import Router
from tiffin.storage.embedded import EmbeddedServer


@pytest.fixture(scope="module")
async def founded(server: EmbeddedServer) -> AsyncIterator[Town]:
    names = ["near", "far"]
    nodes = await databases.open_platform(server, names)
    town = Town(await Router.open(nodes))
    await town.found()
    yield town
    await town.close()
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, names)


@pytest.fixture
async def town(founded: Town) -> AsyncIterator[Town]:
    async with founded.as_it_was():
        yield founded
