"""The statements that write other systems' orders and their ids, as sets."""

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from tiffin.services.orders import statements
from tiffin.services.orders.legacy import Adoption, key_of
from tiffin.sharding.slots import shard_of
from tiffin.storage.group_commit import Key
from tiffin.storage.node import Connection

QUERIES = statements.LEGACY_QUERIES


class Claim(NamedTuple):
    """An old id, and the order that is reserved for it unless it has one."""

    source: str
    legacy_id: str
    order_id: int = 0

    @property
    def shard(self) -> int:
        """Of the old id."""
        return shard_of(key_of(self.source, self.legacy_id))


def key_of_adoption(adoption: Adoption) -> Key:
    """Its order."""
    return statements.key_of(adoption.moved)


def key_of_claim(claim: Claim) -> Key:
    """Two ids of one key only wait for one another."""
    return claim.shard, crc32(key_of(claim.source, claim.legacy_id).encode())


async def adopt(connection: Connection, adoptions: Sequence[Adoption]) -> list[bool]:
    """Write orders' next versions. False: the order is not at the version that this one follows."""
    done = await connection.fetch(QUERIES["adopt"], [_adopting(adoption) for adoption in adoptions])
    ids = {record[0] for record in done}
    return [adoption.moved.row.id in ids for adoption in adoptions]


async def disown(connection: Connection, adoptions: Sequence[Adoption]) -> list[bool]:
    """Take orders away. False: the order is not at the version that was seen."""
    done = await connection.fetch(QUERIES["disown"], [_adopting(adoption) for adoption in adoptions])
    ids = {record[0] for record in done}
    return [adoption.moved.row.id in ids for adoption in adoptions]


async def settle(connection: Connection, adoptions: Sequence[Adoption]) -> list[bool | None]:
    """Whether those whose answer was lost happened: the log names the request of each version."""
    return await statements.settle_move(connection, [adoption.moved for adoption in adoptions])


async def claim(connection: Connection, claims: Sequence[Claim]) -> list[int]:
    """The orders of these old ids: as reserved, or those that they had before."""
    done = await connection.fetch(
        QUERIES["claim"],
        [claim.shard for claim in claims],
        [claim.source for claim in claims],
        [claim.legacy_id for claim in claims],
        [claim.order_id for claim in claims],
    )
    orders = {(row["source"], row["legacy_id"]): row["order_id"] for row in done}
    taken = [claim for claim in claims if (claim.source, claim.legacy_id) not in orders]
    if taken:
        orders |= await claimed(connection, taken)
    return [orders[claim.source, claim.legacy_id] for claim in claims]


async def settle_claim(connection: Connection, claims: Sequence[Claim]) -> list[int | None]:
    """What old ids have after the answer was lost."""
    orders = await claimed(connection, claims)
    return [orders.get((claim.source, claim.legacy_id)) for claim in claims]


async def unclaim(connection: Connection, claims: Sequence[Claim]) -> list[bool]:
    """Take old ids away. False: it has another order, or none."""
    done = await connection.fetch(
        QUERIES["unclaim"],
        [claim.shard for claim in claims],
        [claim.source for claim in claims],
        [claim.legacy_id for claim in claims],
        [claim.order_id for claim in claims],
    )
    gone = {(row["source"], row["legacy_id"]) for row in done}
    return [(claim.source, claim.legacy_id) in gone for claim in claims]


async def settle_unclaim(connection: Connection, claims: Sequence[Claim]) -> list[bool | None]:
    """Whether they are gone after the answer was lost."""
    orders = await claimed(connection, claims)
    return [
        None if orders.get((claim.source, claim.legacy_id)) == claim.order_id else True for claim in claims
    ]


async def claimed(connection: Connection, claims: Sequence[Claim]) -> dict[tuple[str, str], int]:
    """The orders of those old ids that have one, by source and id."""
    found = await connection.fetch(
        QUERIES["claimed"],
        [claim.shard for claim in claims],
        [claim.source for claim in claims],
        [claim.legacy_id for claim in claims],
    )
    return {(row["source"], row["legacy_id"]): row["order_id"] for row in found}


def _adopting(adoption: Adoption) -> tuple[object, ...]:
    """`orders.adopting`, in the order of its fields."""
    moved, row = adoption.moved, adoption.moved.row
    return (
        row.shard, row.id, row.customer_id, row.restaurant_id, row.state, row.version, row.placed_at,
        row.updated_at, moved.was_due_at, row.due_at, row.scheduled_for, row.payment_method, row.total,
        row.currency, row.courier_id, row.reason, row.details, row.idempotency_key, adoption.source,
        adoption.is_held, adoption.is_open, moved.type, moved.data, adoption.at, moved.trace,
    )  # fmt: skip
