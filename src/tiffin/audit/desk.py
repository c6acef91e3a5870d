"""What every check works with: one connection a node, the report, and patience for consumers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tiffin.audit.report import Check, Progress, Report
from tiffin.events.progress import QUERIES as PROGRESS
from tiffin.sharding.router import Router
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.audit")
STATEMENT_TIMEOUT_S = 600.0
LOOK_AGAIN_S = 0.05


@dataclass
class Desk:
    """An audit at work, on connections that can change nothing.

    `wait_s`: how long consumers may take, in all, before lag counts as a difference.
    """

    router: Router
    connections: Mapping[str, Connection]
    """By node's name."""
    now: datetime
    wait_s: float
    tell: Progress
    report: Report = field(default_factory=Report)
    _until: float | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, router: Router, now: datetime, wait_s: float, tell: Progress
    ) -> "AsyncGenerator[Desk]":
        """Connect to every node; disconnect in the end."""
        connections: dict[str, Connection] = {}
        try:
            for node in router.nodes:
                connections[node.name] = await node.connect(STATEMENT_TIMEOUT_S)
                await connections[node.name].execute(QUERIES["only_read"])
            yield cls(router, connections, now, wait_s, tell)
        finally:
            for connection in connections.values():
                connection.terminate()

    @asynccontextmanager
    async def snapshot(self, node: Node) -> AsyncGenerator[Connection]:
        """The node's connection, all of whose statements see one moment."""
        connection = self.connections[node.name]
        async with connection.transaction(isolation="repeatable_read"):
            yield connection

    async def fetch(self, node: Node, query: str, *arguments: Any) -> list[Any]:
        """The rows of one statement, named in `queries.sql`."""
        return await self.connections[node.name].fetch(QUERIES[query], *arguments)

    def shards(self, dimension: Dimension) -> list[tuple[Node, int]]:
        """Every shard of a dimension with its node."""
        return [
            (node, shard) for node in self.router.nodes for shard in self.router.shards_on(dimension, node)
        ]

    def add(self, check: Check, node: Node, shard: str, subject: str, what: str, times: int = 1) -> None:
        """Note a difference."""
        self.report.add(check, f"{node.name}, {shard}", subject, what, times)

    async def catch_up(self, consumers: Sequence[str]) -> bool:
        """Wait until consumers have handled all that the logs hold now. False: not in the time there is."""
        for node in self.router.nodes:
            connection = self.connections[node.name]
            end = await connection.fetchrow(PROGRESS["last"])
            if end is None:
                continue
            while await connection.fetchval(PROGRESS["is_behind"], consumers, end["xid"], end["position"]):
                if not await self.pause():
                    return False
        return True

    async def pause(self) -> bool:
        """A moment's patience. False: it is used up."""
        if self._until is None:
            self._until = time.monotonic() + self.wait_s
        if time.monotonic() >= self._until:
            return False
        await asyncio.sleep(LOOK_AGAIN_S)
        return True


def shard_name(dimension: Dimension, shard: int) -> str:
    """How a report names a shard."""
    return f"{dimension} {shard:03}"
