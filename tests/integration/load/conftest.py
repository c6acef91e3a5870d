from collections.abc import AsyncIterator

import pytest

from scripted_server import Scripted


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    server = Scripted()
    await server.start()
    yield server
    await server.stop()
