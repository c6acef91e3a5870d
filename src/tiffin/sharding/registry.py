"""Which nodes a platform has: kept by the directory. And of which platform, as which node, a database is.

What enters and leaves here is told to every process with the next epoch.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.sharding")
_LOCK = 0x7469666605

Code = Literal[
    "bad_name", "bad_url", "unreachable", "no_room", "missing_rights", "foreign_schema", "another_platform",
    "known_as", "name_taken", "is_no_directory", "sealed", "unknown", "is_directory", "holds_shards",
    "open_move", "unread_log", "dead_letters",
]  # fmt: skip


class NodeError(Exception):
    """A database cannot become a node, or a node cannot leave; the message says why and what to do."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Listed:
    """A node as the directory has it."""

    name: str
    url: str
    """Without user and password."""
    removed: bool
    sealed: str | None
    """The owner's address, sealed; None if it has been removed."""


@dataclass(frozen=True)
class Identity:
    """What a database says of itself."""

    platform: UUID
    node: str


@asynccontextmanager
async def alone(directory: Node) -> AsyncGenerator[None]:
    """Nobody else adds or removes nodes while this is entered; who comes at the same time waits."""
    connection = await directory.connect()
    try:
        await connection.execute(_QUERIES["lock_nodes"], _LOCK)
        yield
    finally:
        await connection.close()


async def listed(directory: Node) -> dict[str, Listed]:
    """All nodes there are and were, by name, the directory first."""
    return {row["name"]: Listed(*row) for row in await directory.fetch(_QUERIES["listed"])}


async def enlist(directory: Node, name: str, url: str, sealed: str) -> None:
    """Make a node known, or its new address."""
    async with directory.transaction() as connection:
        await connection.execute(_QUERIES["enlist"], name, url, sealed)
        await connection.execute(_QUERIES["next_epoch"])


async def strike(directory: Node, name: str) -> None:
    """Make it known that a node is none any more."""
    async with directory.transaction() as connection:
        await connection.execute(_QUERIES["strike"], name)
        await connection.execute(_QUERIES["next_epoch"])


async def identity_of(node: Node) -> Identity | None:
    """None: nobody has claimed the database yet, or it is not migrated."""
    row = await node.fetchrow(_QUERIES["has_identities"])
    row = await node.fetchrow(_QUERIES["identity"]) if row and row[0] else None
    return Identity(*row) if row else None


async def claim(node: Node, platform: UUID | None) -> UUID:
    """Say in a migrated database whose it is; None: of a new platform. Returns the platform.

    `NodeError` if it is another platform's, or another node of this one. Safe by several at once.
    """
    await node.execute(_QUERIES["claim"], platform, node.name)
    found = await identity_of(node)
    assert found is not None
    if platform is not None and found.platform != platform:
        raise NodeError("another_platform", f"the database of {node.name} belongs to another platform")
    if found.node != node.name:
        raise NodeError("known_as", f"the database of {node.name} is the node {found.node} already")
    return found.platform


async def rename(node: Node, platform: UUID) -> None:
    """A database of a node that is none any more gets this node's name."""
    await node.execute(_QUERIES["claim_again"], platform, node.name)


async def disclaim(node: Node, platform: UUID) -> None:
    """From now on the database is nobody's: it may be added again, to any platform."""
    await node.execute(_QUERIES["disclaim"], platform, node.name)


async def foreign_schemas(node: Node, names: Sequence[str]) -> list[str]:
    """Which of our schemas' names are taken in a database that is not of Tiffin."""
    rows = await node.fetch(_QUERIES["schemas"], list(names))
    return [row["name"] for row in rows if not row["ours"]]


async def missing_rights(node: Node) -> list[str]:
    """What the owner lacks to make a node of the database, and to move shards to it."""
    row = await node.fetchrow(_QUERIES["rights"])
    assert row is not None
    return [right for right, has in row.items() if has is False]
