"""The tables of a shard on one node: made, taken in as partitions, taken out again, thrown away."""

from collections.abc import Sequence
from typing import NamedTuple

from tiffin.sharding.moving.move import Move
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.sharding.moving")


class Table(NamedTuple):
    """A sharded table, or one beside them that is not partitioned."""

    schema: str
    name: str
    fillfactor: int
    key: str
    """Columns of the primary key, as SQL."""

    @property
    def parent(self) -> str:
        """Its name as SQL."""
        return f"{self.schema}.{self.name}"

    def of(self, shard: int) -> str:
        """The name of its partition of a shard."""
        return f"{self.schema}.{self.name}_{shard:03}"


async def sharded(node: Node, dimension: Dimension) -> list[Table]:
    """The sharded tables of a dimension."""
    return [Table(*row) for row in await node.fetch(QUERIES["tables"], dimension)]


async def beside(node: Node, dimension: Dimension) -> list[Table]:
    """The tables that have rows of a dimension's shards and are not partitioned."""
    return [Table(*row) for row in await node.fetch(QUERIES["beside"], dimension)]


class Dimensional(NamedTuple):
    """The sharded tables of a dimension."""

    dimension: Dimension
    sharded: Sequence[Table]


async def of_dimension(node: Node, dimension: Dimension) -> Dimensional:
    """Those of a node."""
    return Dimensional(dimension, await sharded(node, dimension))


async def make(node: Node, move: Move) -> None:
    """Make every table of the move's shards, as no partition of anything yet, where it is missing; and have
    nobody work there on what comes for the tables beside.

    The CHECK spares a look at every row when the table is taken in.
    """
    tablespaces = {row["name"]: row["tablespace"] for row in await node.fetch(QUERIES["tablespaces"])}
    for dimension, shards in move.shards.items():
        await node.execute(QUERIES["set_absent"], dimension, list(shards))
        for table in await sharded(node, dimension):
            storage = f"WITH (fillfactor = {table.fillfactor})"
            if table.parent in tablespaces:
                storage += f" TABLESPACE {tablespaces[table.parent]}"
            statements = [
                f"CREATE TABLE IF NOT EXISTS {table.of(shard)} (LIKE {table.parent} INCLUDING ALL,"
                f" CONSTRAINT of_shard CHECK (shard = {shard})) {storage};"
                for shard in shards
            ]
            if statements:
                await node.execute("\n".join(statements))


async def throw_away(node: Node, move: Move) -> None:
    """Take the tables of the move's shards off a node, and their rows out of the tables beside.

    A partition is left alone, whoever asks.
    """
    for dimension, shards in move.shards.items():
        tables = await sharded(node, dimension)
        for shard in shards:
            attached = await attached_of(node, tables, shard)
            loose = [name for name, is_attached in attached.items() if not is_attached]
            if loose:
                await node.execute(f"DROP TABLE {', '.join(loose)}")
        for table in await beside(node, dimension):
            await node.execute(f"DELETE FROM {table.parent} WHERE shard = ANY($1)", list(shards))  # noqa: S608
        await node.execute(QUERIES["set_present"], dimension, list(shards))


async def attached_of(node: Node | Connection, tables: Sequence[Table], shard: int) -> dict[str, bool]:
    """Of a shard's tables that are there, whether they are partitions."""
    rows = await node.fetch(QUERIES["attached"], [table.of(shard) for table in tables])
    return {row["name"]: row["attached"] for row in rows}


async def lock(connection: Connection, of: Dimensional, each_ms: int, all_ms: int) -> None:
    """Lock the dimension's tables against everybody, or raise what the database says if others hold them."""
    names = ", ".join(f"ONLY {table.parent}" for table in of.sharded)
    await connection.execute(
        f"SET LOCAL lock_timeout = {each_ms}; SET LOCAL statement_timeout = {all_ms};"
        f" LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE; SET LOCAL statement_timeout = 0"
    )


async def take_out(connection: Connection, of: Dimensional, shard: int) -> None:
    """Make the shard's partitions tables of their own, all or none: the fence. Waits for writers."""
    attached = await attached_of(connection, of.sharded, shard)
    statements = [
        f"ALTER TABLE {table.parent} DETACH PARTITION {table.of(shard)};"
        for table in of.sharded
        if attached.get(table.of(shard))
    ]
    if statements:
        await connection.execute("\n".join(statements))
    await connection.execute(QUERIES["set_absent"], of.dimension, [shard])


async def take_in(connection: Connection, of: Dimensional, shard: int) -> None:
    """Make the shard's tables partitions, all or none."""
    attached = await attached_of(connection, of.sharded, shard)
    statements = [
        f"ALTER TABLE {table.parent} ATTACH PARTITION {table.of(shard)} FOR VALUES IN ({shard});"
        for table in of.sharded
        if not attached[table.of(shard)]
    ]
    if statements:
        await connection.execute("\n".join(statements))
    await connection.execute(QUERIES["set_present"], of.dimension, [shard])
