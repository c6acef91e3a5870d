"""A log of one's own for every test."""

from collections.abc import AsyncIterator

import pytest

from log_bench import log_node
from tiffin.events import live, runner
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no dead database: who gives one up gets its events again, or loses its watchers."""
    monkeypatch.setattr(runner, "STATEMENT_TIMEOUT_S", 60.0)
    monkeypatch.setattr(runner, "DRAIN_S", 60.0)
    monkeypatch.setattr(live, "STATEMENT_TIMEOUT_S", 60.0)


@pytest.fixture
async def log(server: EmbeddedServer) -> AsyncIterator[Node]:
    """A node with an empty log."""
    async with log_node(server) as node:
        yield node
