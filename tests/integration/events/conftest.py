"""A log of one's own for every test."""

from collections.abc import AsyncIterator

import pytest

from log_bench import log_node
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node


@pytest.fixture
async def log(server: EmbeddedServer) -> AsyncIterator[Node]:
    """A node with an empty log."""
    async with log_node(server) as node:
        yield node
