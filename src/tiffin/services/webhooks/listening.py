"""Who listens to which restaurant: all endpoints and partners, kept in the process, read again on changes.

Most restaurants have nobody who listens, and every event asks. So no event asks the database: a batch looks
once whether anything has changed. An endpoint hears of every event committed after it was registered.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from tiffin.services.webhooks.endpoint import Kind, types_of
from tiffin.services.webhooks.store import QUERIES
from tiffin.sharding.router import Router
from tiffin.storage.node import Node


class Listener(NamedTuple):
    """An endpoint, as far as who is told what depends on it."""

    shard: int
    endpoint_id: str
    types: frozenset[str]
    enabled: bool


class _OfNode(NamedTuple):
    version: int
    listeners: dict[tuple[Kind, str], list[Listener]]
    partners: dict[str, list[str]]


class Listening:
    """Everybody who listens."""

    def __init__(self, router: Router, offered: Collection[str]) -> None:
        self._router = router
        self._offered = offered
        self._nodes: dict[str, _OfNode] = {}
        self._alone = asyncio.Lock()
        self._asked = 0
        self._answered = 0

    async def refresh(self) -> None:
        """Know all that is committed now. Who asks while somebody else reads shares the next reading."""
        self._asked = asked = self._asked + 1
        async with self._alone:
            if self._answered < asked:
                covered = self._asked
                await asyncio.gather(*(self._refresh_node(node) for node in self._router.nodes))
                self._answered = covered

    def of(self, restaurant_id: str) -> list[Listener]:
        """Who listens to a restaurant: its own endpoints, and those of partners that it lets."""
        found: list[Listener] = []
        for known in self._nodes.values():
            found += known.listeners.get(("restaurant", restaurant_id), ())
            for partner in known.partners.get(restaurant_id, ()):
                for other in self._nodes.values():
                    found += other.listeners.get(("partner", partner), ())
        return found

    def lets(self, restaurant_id: str, partner_id: str) -> bool:
        """Whether the restaurant lets this partner be told."""
        return any(partner_id in known.partners.get(restaurant_id, ()) for known in self._nodes.values())

    async def _refresh_node(self, node: Node) -> None:
        record = await node.fetchrow(QUERIES["version"])
        assert record is not None
        version, known = record["version"], self._nodes.get(node.name)
        if known is not None and known.version == version:
            return
        listeners: defaultdict[tuple[Kind, str], list[Listener]] = defaultdict(list)
        for row in await node.fetch(QUERIES["all_endpoints"]):
            types = types_of(row["types"], self._offered)
            listeners[row["kind"], row["owner"]].append(
                Listener(row["shard"], row["id"], types, row["enabled"])
            )
        partners: defaultdict[str, list[str]] = defaultdict(list)
        for row in await node.fetch(QUERIES["all_partners"]):
            partners[row["restaurant_id"]].append(row["partner_id"])
        self._nodes[node.name] = _OfNode(version, dict(listeners), dict(partners))
