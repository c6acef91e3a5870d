"""The two statements that write orders, as sets: their arrays, their answers, how a lost one is settled."""

from collections.abc import Sequence

import asyncpg

from tiffin.events.reader import QUERIES as LOG_QUERIES
from tiffin.services.orders.order import ELSEWHERE, OrderRow
from tiffin.services.orders.transition import Moved
from tiffin.storage.group_commit import Key
from tiffin.storage.node import Connection
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.services.orders")
LEGACY_QUERIES = load_queries("tiffin.services.orders", "legacy.sql")
SINGLES_MAX = 6
"""Up to so many orders are read one by one: a statement for many costs PostgreSQL what ten single ones do."""


def key_of(moved: Moved) -> Key:
    """What an operation touches: its order."""
    return moved.row.shard, moved.row.id


async def place(connection: Connection, placed: Sequence[Moved]) -> list[bool]:
    """Insert new orders with their events. False: the customer has used that key already."""
    rows = [_placing(moved) for moved in placed]
    try:
        await connection.execute(QUERIES["place"], rows)
    except asyncpg.UniqueViolationError:
        done = await connection.fetch(QUERIES["place_if_new"], rows)
    else:
        return [True] * len(placed)
    ids = {record[0] for record in done}
    return [moved.row.id in ids for moved in placed]


def _placing(moved: Moved) -> tuple[object, ...]:
    """`orders.placing`, in the order of its fields."""
    row = moved.row
    return (
        row.shard, row.id, row.customer_id, row.restaurant_id, row.state, row.placed_at, row.due_at,
        row.scheduled_for, row.payment_method, row.total, row.currency, row.details, row.idempotency_key,
        row.request_hash, moved.type, moved.data, moved.trace,
    )  # fmt: skip


async def settle_place(connection: Connection, placed: Sequence[Moved]) -> list[bool | None]:
    """Whether orders whose insert was lost are there. Ids are never used twice, so there means placed."""
    rows = [moved.row for moved in placed]
    found = await connection.fetch(QUERIES["by_ids"], [row.shard for row in rows], [row.id for row in rows])
    ids = {record["id"] for record in found}
    return [True if row.id in ids else None for row in rows]


async def move(connection: Connection, moves: Sequence[Moved]) -> list[bool]:
    """Move orders on by one version. False: the order is not at the version the move starts from."""
    rows = [moved.row for moved in moves]
    done = await connection.fetch(
        QUERIES["move"],
        [row.shard for row in rows],
        [row.id for row in rows],
        [row.version for row in rows],
        [row.state for row in rows],
        [row.updated_at for row in rows],
        [moved.was_due_at for moved in moves],
        [row.due_at for row in rows],
        [row.accepted_at for row in rows],
        [row.courier_id for row in rows],
        [row.reason for row in rows],
        [moved.type for moved in moves],
        [moved.data for moved in moves],
        [moved.trace for moved in moves],
    )
    ids = {record[0] for record in done}
    return [row.id in ids for row in rows]


async def settle_move(connection: Connection, moves: Sequence[Moved]) -> list[bool | None]:
    """Whether moves whose answer was lost happened: the log names the request that wrote each version."""
    found = await connection.fetch(
        LOG_QUERIES["made_by"],
        [str(moved.row.id) for moved in moves],
        [moved.row.version for moved in moves],
        [moved.type for moved in moves],
        [moved.trace for moved in moves],
        "order",
    )
    made = {(record["key"], record["version"]) for record in found}
    return [True if (str(moved.row.id), moved.row.version) in made else None for moved in moves]


async def read(connection: Connection, ids: Sequence[tuple[int, int]]) -> list[OrderRow | None]:
    """Orders by (shard, id); None where there is none."""
    if len(ids) <= SINGLES_MAX:
        records = [await connection.fetchrow(QUERIES["by_id"], shard, order_id) for shard, order_id in ids]
        return [OrderRow(*record) if record else None for record in records]
    found = await connection.fetch(
        QUERIES["by_ids"], [shard for shard, _ in ids], [order_id for _, order_id in ids]
    )
    rows = {record["id"]: OrderRow(*record) for record in found}
    return [rows.get(order_id) for _, order_id in ids]


async def read_again(_: Connection, ids: Sequence[tuple[int, int]]) -> list[None]:
    """A lost read did nothing: it is simply sent again."""
    return [None] * len(ids)


async def copy(connection: Connection, rows: Sequence[OrderRow]) -> None:
    """Bring the restaurant dimension up to these rows' versions. `shard` is the restaurant's."""
    ours = [row for row in rows if row.payment_method != ELSEWHERE]
    adopted = [row for row in rows if row.payment_method == ELSEWHERE]
    for query, some in ((QUERIES["copy"], ours), (LEGACY_QUERIES["copy_adopted"], adopted)):
        if some:
            await connection.execute(query, *(list(column) for column in zip(*some, strict=True)))


async def remove_copies(connection: Connection, places: Sequence[tuple[int, int]]) -> None:
    """Take the copies, by (shard, id), of orders away that are here no more."""
    await connection.execute(
        LEGACY_QUERIES["remove_copies"], [shard for shard, _ in places], [order_id for _, order_id in places]
    )
