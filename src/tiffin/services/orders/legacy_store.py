"""Other systems' orders and their ids in PostgreSQL: which node, and what if the topology moved on."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from tiffin.services.orders import legacy_statements as statements
from tiffin.services.orders.legacy import Adoption
from tiffin.services.orders.legacy_statements import QUERIES, Claim
from tiffin.sharding.read_many import find_many
from tiffin.sharding.router import Router
from tiffin.sharding.slots import Dimension
from tiffin.storage.group_commit import GroupCommit
from tiffin.storage.node import Node
from tiffin.storage.per_node import PerNode

_DIMENSION: Dimension = "customer"
"""Of both: old ids are sharded by a key of their own, and kept beside the orders' truth."""


class LegacyStore:
    """Every read and write of old ids, every write of adopted orders. All may raise `Unavailable`."""

    def __init__(self, router: Router, wake: Callable[[Node], Callable[[], None]]) -> None:
        """`wake`: of a node, what is called after each commit that has written events."""
        self._router = router
        key = statements.key_of_adoption
        self._adoptions = PerNode(
            lambda node: GroupCommit(node, statements.adopt, statements.settle, key, wake(node))
        )
        self._disownings = PerNode(
            lambda node: GroupCommit(node, statements.disown, statements.settle, key, wake(node))
        )
        self._claims = PerNode(
            lambda node: GroupCommit(node, statements.claim, statements.settle_claim, statements.key_of_claim)
        )
        self._unclaims = PerNode(
            lambda node: GroupCommit(
                node, statements.unclaim, statements.settle_unclaim, statements.key_of_claim
            )
        )

    async def adopt(self, adoption: Adoption, within_s: float) -> bool:
        """Write an order's next version. False: it is not at the version before."""
        return await self._router.write(
            _DIMENSION,
            adoption.moved.row.shard,
            lambda node: self._adoptions[node].submit(adoption, within_s),
        )

    async def disown(self, adoption: Adoption, within_s: float) -> bool:
        """Take an order away. False: it is not at the version that was seen."""
        return await self._router.write(
            _DIMENSION,
            adoption.moved.row.shard,
            lambda node: self._disownings[node].submit(adoption, within_s),
        )

    async def claim(self, claim: Claim, within_s: float) -> int:
        """The order of an old id: the one that is reserved for it, unless it had one."""
        return await self._router.write(
            _DIMENSION, claim.shard, lambda node: self._claims[node].submit(claim, within_s)
        )

    async def claimed(self, source: str, legacy_ids: Sequence[str]) -> dict[str, int]:
        """The orders of those old ids that have one. What has none is confirmed against the epoch."""
        return await find_many(
            self._router,
            legacy_ids,
            lambda some: self._claimed([Claim(source, legacy_id) for legacy_id in some]),
        )

    async def reclaim(self, claim: Claim) -> None:
        """Give an old id another order than it has."""
        await self._router.read(
            _DIMENSION,
            claim.shard,
            lambda node: node.fetch(
                QUERIES["reclaim"], claim.shard, claim.source, claim.legacy_id, claim.order_id
            ),
        )

    async def unclaim(self, claim: Claim, within_s: float) -> bool:
        """Take an old id away, if it still has that order."""
        return await self._router.write(
            _DIMENSION, claim.shard, lambda node: self._unclaims[node].submit(claim, within_s)
        )

    async def page(self, source: str, shard: int, after: str, limit: int) -> list[str]:
        """Old ids of a source in a shard, in their order as texts."""
        rows = await self._router.read(
            _DIMENSION,
            shard,
            lambda node: node.fetch(QUERIES["claims_after"], shard, source, after, limit),
        )
        return [row["legacy_id"] for row in rows]

    async def open_of(self, source: str, is_held: bool, limit: int) -> list[int]:
        """Some adopted orders that have not ended, in one hand."""
        found: list[int] = []
        for node in self._router.nodes:
            shards = self._router.shards_on(_DIMENSION, node)
            if len(found) < limit and shards:
                rows = await node.fetch(QUERIES["open_of"], source, is_held, shards, limit - len(found))
                found += [row["id"] for row in rows]
        return found

    async def forget_open(self, shard: int, order_id: int) -> None:
        """An order has ended without this having been noted."""
        await self._router.write(
            _DIMENSION, shard, lambda node: node.execute(QUERIES["forget_open"], shard, order_id)
        )

    async def close(self) -> None:
        """Finish what is in flight."""
        for groups in (self._adoptions, self._disownings, self._claims, self._unclaims):
            await groups.close()

    async def _claimed(self, claims: Sequence[Claim]) -> dict[str, int]:
        by_node: defaultdict[Node, list[Claim]] = defaultdict(list)
        for claim in claims:
            by_node[self._router.node(_DIMENSION, claim.shard)].append(claim)
        found: dict[str, int] = {}
        for node, some in by_node.items():
            async with node.connection() as connection:
                orders = await statements.claimed(connection, some)
            found |= {legacy_id: order_id for (_, legacy_id), order_id in orders.items()}
        return found
