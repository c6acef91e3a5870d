"""One of something for each node, made when it is first needed: nodes come and go while a process runs."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from tiffin.storage.node import Node


class Closing(Protocol):
    """What has connections or tasks of its own."""

    async def close(self) -> None:
        """Finish what is in flight."""
        ...


Thing = TypeVar("Thing", bound=Closing)


class PerNode(Generic[Thing]):
    """By node. Each is closed before its node is, or with all others."""

    def __init__(self, make: Callable[[Node], Thing]) -> None:
        self._make = make
        self._things: dict[Node, Thing] = {}

    def __getitem__(self, node: Node) -> Thing:
        thing = self._things.get(node)
        if thing is None:
            thing = self._things[node] = self._make(node)
            node.on_close(partial(self._drop, node))
        return thing

    async def close(self) -> None:
        """Close them all."""
        await asyncio.gather(*(thing.close() for thing in self._things.values()))

    async def _drop(self, node: Node) -> None:
        await self._things.pop(node).close()
