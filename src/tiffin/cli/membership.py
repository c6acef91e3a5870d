"""`tiffin nodes add` and `remove`: a database becomes a node of a platform that is at work, and leaves it.

Everything is looked at before anything is written. What is cut short half way is gone on with by doing it
again: a database that has been made ready and is not listed yet is nobody's loss.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import asyncpg
from rich.console import Console

from tiffin.cli.config import Config
from tiffin.cli.nodes import Ground, make_ready, open_directory
from tiffin.cli.platform import CONSUMER_NAMES
from tiffin.cli.schemas import SCHEMAS
from tiffin.events.runner import backlog
from tiffin.events.triage import standings
from tiffin.primitives.errors import Unavailable
from tiffin.sharding import registry
from tiffin.sharding.moving.move import MoveError
from tiffin.sharding.moving.mover import Mover, check_room
from tiffin.sharding.registry import Listed, NodeError
from tiffin.sharding.topology import read_topology
from tiffin.storage.node import Node
from tiffin.storage.roles import RoleError, without_owner

_NAME = re.compile("[a-z][a-z0-9_-]{0,39}")


async def add(config: Config, url: str, name: str | None, console: Console) -> None:
    """Make a database ready and make it known to every process. `NodeError` if it cannot be a node."""
    name = _name_for(url, name)
    async with open_directory(config) as ground, registry.alone(ground.directory):
        listed = await registry.listed(ground.directory)
        async with _reached(name, url) as node:
            is_new = await _may_be(node, listed, ground)
            await make_ready(node, config, ground.secret, ground.platform, new_passwords=True)
        known = None if is_new else listed.get(name)
        changed = await ground.owners.enlist(ground.directory, name, url, known)
    if is_new:
        console.print(
            f"{name} is a node now, without shards: `tiffin shards move SHARDS --to {name}` or `--balance`"
            " brings it some.",
            highlight=False,
        )
    else:
        console.print(
            f"{name} is a node already{': its address has changed' if changed else ''}.", highlight=False
        )


async def remove(config: Config, name: str, console: Console) -> None:
    """Let a node go that nobody needs any more. `NodeError` if somebody does."""
    async with open_directory(config) as ground, registry.alone(ground.directory):
        listed = await registry.listed(ground.directory)
        if name not in listed or listed[name].removed:
            there = ", ".join(each.name for each in listed.values() if not each.removed)
            raise NodeError("unknown", f"there is no node {name}; there are {there}")
        if name == ground.directory.name:
            raise NodeError(
                "is_directory", f"{name} is the directory: it knows where everything is, and stays"
            )
        mover = Mover([ground.directory])
        async with mover.alone():
            await _holds_nothing(ground, mover, name)
            async with _reached(name, ground.url(listed[name])) as node:
                await _is_read(node)
                await registry.strike(ground.directory, name)
                await registry.disclaim(node, ground.platform)
    console.print(f"{name} is no node any more. Its database is as it was; nobody uses it.", highlight=False)


def _name_for(url: str, name: str | None) -> str:
    """The name given, or the database's. `NodeError` for what cannot be a name or an address."""
    try:
        database = unquote(urlsplit(without_owner(url)).path[1:])
    except (ValueError, RoleError) as error:
        raise NodeError("bad_url", str(error)) from None
    if not url.startswith(("postgres://", "postgresql://")):
        raise NodeError("bad_url", "the URL of a node is postgresql://user:password@host:port/database")
    if not _NAME.fullmatch(name or database):
        raise NodeError(
            "bad_name",
            f"{name or database} cannot be the name of a node: lower-case letters, digits, - and _, beginning"
            " with a letter, 40 at most (--name)",
        )
    return name or database


@asynccontextmanager
async def _reached(name: str, url: str) -> AsyncGenerator[Node]:
    try:
        node = await Node.open(name, url)
    except (Unavailable, asyncpg.PostgresError) as error:
        raise NodeError("unreachable", f"{name} cannot be reached at {_shown(url)}: {error}") from None
    try:
        yield node
    finally:
        await node.close()


def _shown(url: str) -> str:
    parts = urlsplit(without_owner(url))
    return f"{parts.netloc}{parts.path}"


async def _may_be(node: Node, listed: dict[str, Listed], ground: Ground) -> bool:
    """Whether it is new. `NodeError` if it must not be a node of that name. Nothing is written."""
    try:
        await check_room(node)
    except MoveError as error:
        raise NodeError("no_room", f"{error}; otherwise no shard could move to it") from None
    if missing := await registry.missing_rights(node):
        raise NodeError("missing_rights", f"the URL's user for {node.name} lacks {' and '.join(missing)}")
    if foreign := await registry.foreign_schemas(node, [schema.name for schema in SCHEMAS]):
        raise NodeError(
            "foreign_schema",
            f"the database of {node.name} has {', '.join(foreign)} of somebody else's: take an empty one",
        )
    known = listed.get(node.name)
    is_listed = known is not None and not known.removed
    identity = await registry.identity_of(node)
    if identity is None:
        if is_listed:
            raise NodeError("name_taken", f"there is a node {node.name} already, and this database is not it")
        return True
    if identity.platform != ground.platform:
        raise NodeError("another_platform", f"the database of {node.name} belongs to another platform")
    if identity.node != node.name:
        other = listed.get(identity.node)
        if other is not None and not other.removed:
            raise NodeError("known_as", f"the database of {node.name} is the node {identity.node} already")
        if is_listed:
            raise NodeError("name_taken", f"there is a node {node.name} already, and this database is not it")
        await registry.rename(node, ground.platform)
    return not is_listed


async def _holds_nothing(ground: Ground, mover: Mover, name: str) -> None:
    for move in await mover.open_moves():
        if name in (move.source, move.target):
            raise NodeError(
                "open_move",
                f"move {move.id} from {move.source} to {move.target} is {move.step}:"
                " `tiffin shards finish`, `rollback` or `cancel` first",
            )
    held = [
        place
        for place, holder in (await read_topology(ground.directory)).node_names.items()
        if holder == name
    ]
    if held:
        raise NodeError(
            "holds_shards",
            f"{name} holds {len(held)} shards: `tiffin shards move --drain {name}` takes them off",
        )


async def _is_read(node: Node) -> None:
    known = await standings(node)
    readers = dict.fromkeys((*CONSUMER_NAMES, *(standing.consumer for standing in known)))
    if behind := [(name, events) for name in readers if (events := await backlog(node, name))]:
        told = ", ".join(f"{name} {events:,}" for name, events in behind)
        raise NodeError(
            "unread_log",
            f"the log of {node.name} has events that are not handled yet ({told}):"
            " wait until `tiffin nodes list` shows none; the platform must be up",
        )
    if letters := sum(standing.dead_letters for standing in known):
        raise NodeError(
            "dead_letters",
            f"{node.name} has {letters:,} open dead letters: `tiffin dead-letters` replays or discards them",
        )
