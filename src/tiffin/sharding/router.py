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
TRIES_MAX = 20
"""So often something is done again because shards moved while it was done. During a drain some always do."""
SEEN_OFF_S = 10.0
"""After a node has left, what is still under way there may take so long."""

Answer = TypeVar("Answer")

Enter = Callable[[str, str], Awaitable[Node]]
"""Makes a node out of its name and address, without connecting yet."""


class Router:
    """Routes by a topology that may be old.

    Two rules make that safe. A write to a node that no longer holds the shard is refused by the database
    (`is_missing_partition`), and done again where the shard is now. What finds nothing is believed only if
    the epoch has not changed meanwhile. `until_settled` keeps both, for whatever asks several nodes, too.

    Nodes come and go with the topology, if the router is told how to enter them. Who does something on each
    asks for `nodes` each time, or waits for `other_nodes`.
    """

    def __init__(self, nodes: Sequence[Node], topology: Topology, enter: Enter | None = None) -> None:
        """`nodes` are those of the topology; without `enter`, all there will ever be."""
        self.nodes = tuple(nodes)
        self.directory = nodes[0]
        self._enter = enter
        self._addresses = dict(topology.addresses)
        self._map = _map(self.nodes, topology)
        self._topology = topology
        self._latest = topology
        self._looking = asyncio.Lock()
        self._looks = 0
        self._taking = asyncio.Lock()
        self._others = asyncio.Event()
        self._leaving: dict[Node, asyncio.Task[None]] = {}

    @classmethod
    async def open(cls, nodes: Sequence[Node], enter: Enter | None = None) -> "Router":
        """A router over these nodes; the first one is the directory, which knows the others."""
        topology = await read_topology(nodes[0])
        if enter is not None:
            known = {node.name for node in nodes}
            others = [await enter(name, url) for name, url in topology.addresses.items() if name not in known]
            nodes = [*nodes, *others]
        return cls(nodes, topology, enter)

    async def close(self) -> None:
        """Close all nodes but the directory."""
        for task in self._leaving.values():
            task.cancel()
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)
        for node in (*self._leaving, *self.nodes[1:]):
            await node.close()

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

    async def other_nodes(self, known: Sequence[Node]) -> tuple[Node, ...]:
        """The nodes there are, as soon as they are not these."""
        while self.nodes == tuple(known):
            await self._others.wait()
        return self.nodes

    async def refresh(self) -> None:
        """Take the present topology. `Unavailable` if the directory is away."""
        if await read_epoch(self.directory) != self.epoch:
            await self._take(await read_topology(self.directory))

    async def changed(self, since: int | None = None, of: tuple[Dimension, int] | None = None) -> bool:
        """Whether the topology has moved on since an epoch (the one in use, unless told); takes the new one.

        Whoever has asked a node names the epoch it asked in: while it waited for the answer, somebody else
        may have taken the new topology already. Shards that are being switched are waited for, or only the
        one that the caller is about; `Unavailable` if that takes too long.
        """
        since = self.epoch if since is None else since
        switching = _among(self._topology.switching, of)
        if switching or (self.epoch == since and (await self._look()).epoch != since):
            await self._take(await self._settled_topology(switching, of))
        return self.epoch != since

    async def _settled_topology(
        self, switching: frozenset[tuple[Dimension, int]], of: tuple[Dimension, int] | None
    ) -> Topology:
        """The present one, once none of these is switched any more, nor what is switched now."""
        topology = await self._look()
        switching |= _among(topology.switching, of)
        try:
            async with asyncio.timeout(SWITCHED_WITHIN_S):
                while switching := switching & topology.switching:
                    await asyncio.sleep(LOOK_INTERVAL_S)
                    topology = await self._look()
        except TimeoutError:
            raise Unavailable("shard_away", f"{sorted(switching)} are between two nodes") from None
        return topology

    async def _look(self) -> Topology:
        """The topology as the directory has it, and not from before this call. All who call while one look is
        under way share the next: hundreds may wait for the end of one switch."""
        looks = self._looks
        async with self._looking:
            if self._looks <= looks:
                self._looks += 1
                try:
                    if await read_epoch(self.directory) != self._latest.epoch:
                        self._latest = await read_topology(self.directory)
                except BaseException:
                    self._looks -= 1
                    raise
            return self._latest

    async def read(
        self, dimension: Dimension, shard: int, ask: Callable[[Node], Awaitable[Answer]]
    ) -> Answer:
        """Ask the shard's node. An empty answer (falsy) is confirmed against the epoch before it is given."""
        return await self.until_settled(lambda: ask(self.node(dimension, shard)), bool, (dimension, shard))

    async def write(
        self, dimension: Dimension, shard: int, do: Callable[[Node], Awaitable[Answer]]
    ) -> Answer:
        """Write on the shard's node; if it has moved away, on its new one. `Unavailable` if on none yet."""
        return await self.until_settled(lambda: do(self.node(dimension, shard)), always, (dimension, shard))

    async def until_settled(
        self,
        do: Callable[[], Awaitable[Answer]],
        is_sure: Callable[[Answer], bool],
        of: tuple[Dimension, int] | None = None,
    ) -> Answer:
        """Do something, and again, until its answer is sure or no shard has moved while it was done.

        It asks for nodes each time, and may be done again after a part of it has been done. What the database
        refuses because it no longer holds a shard is done again as well. `of`: the one shard it is about.
        `Unavailable` if shards never rest for so long.
        """
        refusal: Exception | None = None
        for _ in range(TRIES_MAX):
            epoch = self.epoch
            try:
                answer = await do()
            except Exception as error:
                if not is_missing_partition(error):
                    raise
                refusal = error
                if not await self.changed(epoch, of):
                    break
            else:
                if is_sure(answer) or not await self.changed(epoch, of):
                    return answer
        raise Unavailable("shard_away", f"{of or 'shards'}: moving from node to node") from refusal

    async def _take(self, topology: Topology) -> None:
        async with self._taking:
            if topology.epoch <= self.epoch:
                return
            nodes = self.nodes if self._enter is None else await self._nodes_of(topology, self._enter)
            self._map = _map(nodes, topology)
            self._topology = topology
            gone, self.nodes = [node for node in self.nodes if node not in nodes], nodes
            for node in gone:
                self._leaving[node] = asyncio.create_task(self._see_off(node), name=f"leaving {node.name}")
            self._addresses = dict(topology.addresses)
            others, self._others = self._others, asyncio.Event()
            others.set()

    async def _nodes_of(self, topology: Topology, enter: Enter) -> tuple[Node, ...]:
        """The directory, those known already, and new ones. One with another address is a new one."""
        known = {
            node.name: node
            for node in self.nodes
            if topology.addresses.get(node.name) == self._addresses.get(node.name)
        }
        others = [
            known.get(name) or await enter(name, url)
            for name, url in topology.addresses.items()
            if name != self.directory.name
        ]
        return (self.directory, *others)

    async def _see_off(self, node: Node) -> None:
        await asyncio.sleep(SEEN_OFF_S)
        await node.close()
        del self._leaving[node]


def always(_: object) -> bool:
    """For `until_settled`: whatever it answers is sure, unless the database refuses it."""
    return True


def never(_: object) -> bool:
    """For `until_settled`: what it answers depends on all nodes alike."""
    return False


def _map(nodes: Sequence[Node], topology: Topology) -> dict[tuple[Dimension, int], Node]:
    by_name = {node.name: node for node in nodes}
    try:
        return {place: by_name[name] for place, name in topology.node_names.items()}
    except KeyError as error:
        raise Unavailable(
            "shard_away", f"there are shards on {error}, which this process does not know"
        ) from None


def _among(
    places: frozenset[tuple[Dimension, int]], of: tuple[Dimension, int] | None
) -> frozenset[tuple[Dimension, int]]:
    return places if of is None else places & {of}
