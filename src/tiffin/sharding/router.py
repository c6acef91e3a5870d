"""The router: from a shard to the node that holds it, by the topology it last read."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tiffin.primitives.errors import Unavailable
from tiffin.sharding.partitions import is_missing_partition
from tiffin.sharding.slots import Dimension
from tiffin.sharding.topology import Topology, read_epoch, read_topology
from tiffin.storage.node import Node

SWITCHED_WITHIN_S = 5.0
"""A shard that moves to another node is on neither for some milliseconds. For so long that is waited for."""
LOOK_INTERVAL_S = 0.005

Answer = TypeVar("Answer")


class Router:
    """Routes by a topology that may be old.

    Two rules make that safe. A write to a node that no longer holds the shard is refused by the database
    (`is_missing_partition`): `write` reloads and tries once more. A read that finds nothing is believed
    only if the epoch has not changed meanwhile: `read` sees to that.
    """

    def __init__(self, nodes: Sequence[Node], topology: Topology) -> None:
        self.nodes = tuple(nodes)
        self.directory = nodes[0]
        self._by_name = {node.name: node for node in nodes}
        self._topology = topology
        self._map: dict[tuple[Dimension, int], Node] = {}
        self._take(topology)

    @classmethod
    async def open(cls, nodes: Sequence[Node]) -> "Router":
        """A router over these nodes; the first one is the directory."""
        return cls(nodes, await read_topology(nodes[0]))

    @property
    def epoch(self) -> int:
        """The epoch of the topology in use."""
        return self._topology.epoch

    def node(self, dimension: Dimension, shard: int) -> Node:
        """The node that holds the shard, as far as this router knows."""
        return self._map[dimension, shard]

    def shards_on(self, dimension: Dimension, node: Node) -> list[int]:
        """The shards of a dimension that live on a node."""
        return [shard for (of, shard), holder in self._map.items() if of == dimension and holder is node]

    async def changed(self, since: int | None = None, of: tuple[Dimension, int] | None = None) -> bool:
        """Whether the topology has moved on since an epoch (the one in use, unless told); takes the new one.

        Whoever has asked a node names the epoch it asked in: while it waited for the answer, somebody else
        may have taken the new topology already. Shards that are being switched are waited for, or only the
        one that the caller is about; `Unavailable` if that takes too long.
        """
        since = self.epoch if since is None else since
        switching = _among(self._topology.switching, of)
        if switching or (self.epoch == since and await read_epoch(self.directory) != since):
            topology = await self._settled_topology(switching, of)
            if topology.epoch > self.epoch:
                self._take(topology)
        return self.epoch != since

    async def _settled_topology(
        self, switching: frozenset[tuple[Dimension, int]], of: tuple[Dimension, int] | None
    ) -> Topology:
        """The present one, once none of these is switched any more, nor what is switched now."""
        topology = await read_topology(self.directory)
        switching |= _among(topology.switching, of)
        try:
            async with asyncio.timeout(SWITCHED_WITHIN_S):
                while switching := switching & topology.switching:
                    await asyncio.sleep(LOOK_INTERVAL_S)
                    topology = await read_topology(self.directory)
        except TimeoutError:
            raise Unavailable("shard_away", f"{sorted(switching)} are between two nodes") from None
        return topology

    async def read(
        self, dimension: Dimension, shard: int, ask: Callable[[Node], Awaitable[Answer]]
    ) -> Answer:
        """Ask the shard's node. An empty answer (falsy) is confirmed against the epoch before it is given."""
        epoch = self.epoch
        answer = await ask(self.node(dimension, shard))
        if not answer and await self.changed(epoch, (dimension, shard)):
            answer = await ask(self.node(dimension, shard))
        return answer

    async def write(
        self, dimension: Dimension, shard: int, do: Callable[[Node], Awaitable[Answer]]
    ) -> Answer:
        """Write on the shard's node; if it has moved away, on its new one. `Unavailable` if on none yet."""
        epoch = self.epoch
        try:
            return await do(self.node(dimension, shard))
        except Exception as error:
            if not is_missing_partition(error):
                raise
            if not await self.changed(epoch, (dimension, shard)):
                raise Unavailable("shard_away", f"{dimension} shard {shard} is between two nodes") from error
        return await do(self.node(dimension, shard))

    def _take(self, topology: Topology) -> None:
        self._map = {place: self._by_name[name] for place, name in topology.node_names.items()}
        self._topology = topology


def _among(
    places: frozenset[tuple[Dimension, int]], of: tuple[Dimension, int] | None
) -> frozenset[tuple[Dimension, int]]:
    return places if of is None else places & {of}
