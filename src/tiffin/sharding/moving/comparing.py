"""Whether every row of the move's tables is the same on both nodes, while it is being written to."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tiffin.sharding.moving import tables
from tiffin.sharding.moving.move import Move, MoveError
from tiffin.sharding.moving.replication import catch_up
from tiffin.sharding.moving.tables import Table
from tiffin.storage.node import Node

LOOKS_MAX = 10


class Piece(NamedTuple):
    """The rows of one shard in one table, as SQL."""

    table: str
    where: str
    key: str


class Compared(NamedTuple):
    """What was held against one another."""

    tables: int
    rows: int


async def compare(
    source: Node, target: Node, move: Move, within_s: float, tell: Callable[[int, int], None]
) -> Compared:
    """`MoveError` if something differs that is not only late. `tell` hears how many tables are done."""
    pieces = await _pieces(source, move)
    rows = 0
    for number, piece in enumerate(pieces):
        tell(number, len(pieces))
        counted = await _sum(source, piece)
        rows += counted[0]
        if counted != await _sum(target, piece):
            await _look(source, target, move, piece, within_s)
    tell(len(pieces), len(pieces))
    return Compared(len(pieces), rows)


async def _look(source: Node, target: Node, move: Move, piece: Piece, within_s: float) -> None:
    """Row by row. What the source has had since before a mark must be on the target behind the mark."""
    before = await _rows(source, piece)
    unsettled: set[int] | None = None
    wrong: set[tuple[int, int | None]] = set()
    for _ in range(LOOKS_MAX):
        await catch_up(source, target, move, within_s)
        there = await _rows(target, piece)
        after = await _rows(source, piece)
        looked_at = {*before, *after, *there} if unsettled is None else unsettled
        steady = {key for key in looked_at if before.get(key) == after.get(key)}
        # Twice the same: a row may have been there for just the moment between two looks at the source.
        before_wrong = wrong
        wrong = {(key, there.get(key)) for key in steady if there.get(key) != after.get(key)}
        if again := before_wrong & wrong:
            raise MoveError(
                f"{piece.table}: {len(again)} rows differ between {source.name} and {target.name};"
                " cancel the move and begin it anew"
            )
        unsettled = looked_at - steady | {key for key, _ in wrong}
        if not unsettled:
            return
        before = after
    # What changes each time it is looked at is at work, and its changes have been coming.


async def _pieces(node: Node, move: Move) -> list[Piece]:
    pieces: list[Piece] = []
    for dimension, shards in move.shards.items():
        own: Sequence[Table] = await tables.sharded(node, dimension)
        pieces += [Piece(table.of(shard), "true", table.key) for table in own for shard in shards]
        pieces += [
            Piece(table.parent, f"shard = {shard}", table.key)
            for table in await tables.beside(node, dimension)
            for shard in shards
        ]
    return pieces


async def _sum(node: Node, piece: Piece) -> tuple[int, int | None]:
    row = await node.fetchrow(
        "SELECT count(*), bit_xor(hash_record_extended(t, 0))"  # noqa: S608 - names from the catalog
        f" FROM {piece.table} t WHERE {piece.where}"
    )
    assert row is not None
    return row[0], row[1]


async def _rows(node: Node, piece: Piece) -> dict[int, int]:
    """Fingerprints of rows by those of their keys."""
    rows = await node.fetch(
        f"SELECT hash_record_extended(ROW({piece.key}), 0), hash_record_extended(t, 0)"  # noqa: S608
        f" FROM {piece.table} t WHERE {piece.where}"
    )
    return {row[0]: row[1] for row in rows}
