"""Schema migrations: plain SQL files, applied to a node in order of name, each once and in a transaction.

A package keeps its own in `migrations/0001_something.sql`. What has been applied is never edited: the next
change is the next file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.storage", "migrations.sql")
_LOCK = 0x7469666601


@dataclass(frozen=True)
class Schema:
    """A database schema and the package that describes it."""

    name: str
    package: str

    def migrations(self) -> list[tuple[str, str]]:
        """(file name, SQL) in order. None is fine."""
        directory = files(self.package).joinpath("migrations")
        if not directory.is_dir():
            return []
        found = [(file.name, file.read_text(encoding="utf-8")) for file in directory.iterdir()]
        return sorted(file for file in found if file[0].endswith(".sql"))


class EditedMigration(Exception):
    """A file that has been applied no longer says what was applied."""


async def migrate(node: Node, schemas: Sequence[Schema]) -> list[str]:
    """Bring a node up to date. Returns what was applied, as `schema/file`, in order.

    Safe to run twice and by two processes at once. A file that fails leaves no trace, those before it stay.
    """
    connection = await node.connect()
    try:
        await connection.execute(_QUERIES["lock"], _LOCK)
        await connection.execute(_QUERIES["prepare"])
        applied = {
            (row["schema"], row["file"]): row["sha256"] for row in await connection.fetch(_QUERIES["applied"])
        }
        done: list[str] = []
        for schema in schemas:
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema.name}"')
            for file, sql in schema.migrations():
                digest = sha256(sql.encode()).hexdigest()
                known = applied.get((schema.name, file))
                if known is None:
                    async with connection.transaction():
                        await connection.execute(sql)
                        await connection.execute(_QUERIES["record"], schema.name, file, digest)
                    done.append(f"{schema.name}/{file}")
                elif known != digest:
                    raise EditedMigration(
                        f"{schema.name}/{file} was edited after it was applied to node {node.name}: "
                        "undo the edit and put the change into a new file"
                    )
        return done
    finally:
        await connection.close()
