"""The databases of a configuration: the owner's, made ready; and as the role of a service enters them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.demonstration import hurry
from tiffin.cli.log_days import keep_log_days
from tiffin.cli.owners import Owners
from tiffin.cli.schemas import ROLES, SCHEMAS
from tiffin.cli.secret import read_secret, role_password
from tiffin.services.orders.cheap_storage import put_archive
from tiffin.sharding import registry
from tiffin.sharding.registry import Listed, NodeError
from tiffin.sharding.router import Router
from tiffin.sharding.topology import lay_out
from tiffin.storage.embedded import SETTINGS, EmbeddedServer
from tiffin.storage.migrations import migrate
from tiffin.storage.node import Node
from tiffin.storage.roles import apply_roles, open_as, role_url

CONNECTIONS_PER_NODE = 60
"""What the embedded server has room for: every service's pool, lanes and readers, twice over."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Addresses:
    """Where the nodes are, by name, the directory first; and the postmaster of an embedded server."""

    urls: Mapping[str, str]
    postmaster: int | None


@dataclass(frozen=True)
class Nodes:
    """The nodes, the directory first, and the postmaster of the embedded server if there is one."""

    all: list[Node]
    postmaster: int | None
    router: Router
    """Takes in nodes that are added later, as their owner."""


@dataclass(frozen=True)
class Ground:
    """The directory as its owner has it, ready; and what it takes to enter the other nodes."""

    directory: Node
    platform: UUID
    named: Addresses
    """By the configuration; a node may be in the directory only, or have left."""
    owners: Owners
    secret: bytes

    async def open(self, listed: Listed) -> Node:
        """A node as its owner. `Unavailable` if it does not answer."""
        return await Node.open(listed.name, self.url(listed))

    def url(self, listed: Listed) -> str:
        """What the configuration says of a node comes first."""
        return self.named.urls.get(listed.name) or self.owners.open(listed)


@asynccontextmanager
async def find_nodes(config: Config) -> AsyncGenerator[Addresses]:
    """Where the nodes are that the configuration names, or embedded ones, started, if it names none."""
    if config.nodes:
        yield Addresses(config.nodes, None)
        return
    connections = max(int(SETTINGS["max_connections"]), CONNECTIONS_PER_NODE * config.embedded_nodes)
    server = await asyncio.to_thread(
        EmbeddedServer.start, config.data_directory / "postgresql", {"max_connections": str(connections)}
    )
    try:
        names = ["local"] + [f"local{number}" for number in range(2, config.embedded_nodes + 1)]
        for name in names:
            await server.create_database(name)
        yield Addresses({name: server.url(name) for name in names}, server.pid)
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def open_directory(config: Config, *, new_passwords: bool = False) -> AsyncGenerator[Ground]:
    """The directory as its owner has it, ready for use, with the nodes of the configuration listed."""
    secret = read_secret(config.data_directory)
    async with find_nodes(config) as found:
        name, url = next(iter(found.urls.items()))
        directory = await Node.open(name, url)
        try:
            platform = await _ready_directory(directory, config, secret, new_passwords)
            ground = Ground(directory, platform, found, Owners(secret), secret)
            await _enlist(ground)
            yield ground
        finally:
            await directory.close()


async def _ready_directory(node: Node, config: Config, secret: bytes, new_passwords: bool) -> UUID:
    known = await registry.identity_of(node)
    if known is not None and known.node not in await registry.listed(node):
        raise NodeError(
            "is_no_directory",
            f"{node.name} is the first node of the configuration, but its database is node {known.node} of a"
            " platform whose directory is elsewhere: name that one first",
        )
    await make_ready(node, config, secret, known.platform if known else None, new_passwords)
    return await registry.claim(node, None)


async def make_ready(
    node: Node, config: Config, secret: bytes, platform: UUID | None, new_passwords: bool = False
) -> None:
    """Bring a database up to date: schemas, roles, the log's days. It becomes the platform's."""
    await migrate(node, SCHEMAS)
    if platform is not None:
        await registry.claim(node, platform)
    await apply_roles(node, ROLES, partial(role_password, secret), new_passwords)
    await put_archive(node, config.archive.tablespace)
    await keep_log_days(node, config)


async def _enlist(ground: Ground) -> None:
    """What the configuration names and the directory does not know, or knows by another address."""
    listed = await registry.listed(ground.directory)
    for name, url in ground.named.urls.items():
        known = listed.get(name)
        if known is not None and known.removed:
            _log.warning("node_left", node=name, hint="take it out of [nodes]")
        else:
            await ground.owners.enlist(ground.directory, name, url, known)


@asynccontextmanager
async def open_nodes(config: Config, *, new_passwords: bool = False) -> AsyncGenerator[Nodes]:
    """The nodes as their owner has them, ready for use: migrated, with roles, laid out."""
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(open_directory(config, new_passwords=new_passwords))
        nodes = [ground.directory]
        listed = await registry.listed(ground.directory)
        for each in listed.values():
            if not each.removed and each.name != ground.directory.name:
                node = await ground.open(each)
                stack.push_async_callback(node.close)
                nodes.append(node)
                await make_ready(node, config, ground.secret, ground.platform, new_passwords)
        if config.demonstration_answer_s:
            await hurry(nodes[0], config.demonstration_answer_s, utc_now())
        await lay_out(nodes[0], nodes)

        async def enter(name: str, url: str) -> Node:
            known = (await registry.listed(ground.directory)).get(name)
            return await Node.open_later(name, ground.url(known) if known else url)

        router = await Router.open(nodes, enter)
        stack.push_async_callback(router.close)
        yield Nodes(nodes, ground.named.postmaster, router)


@asynccontextmanager
async def enter_nodes(urls: Mapping[str, str], service: str, secret: bytes) -> AsyncGenerator[Router]:
    """The nodes as the role of a service enters them: the directory now, each other one when it is needed.
    Their owner has made them ready."""
    password_of = partial(role_password, secret)

    async def enter(name: str, url: str) -> Node:
        return await Node.open_later(name, role_url(urls.get(name, url), service, password_of))

    name, url = next(iter(urls.items()))
    directory = await open_as(name, url, service, password_of)
    try:
        router = await Router.open([directory], enter)
        try:
            yield router
        finally:
            await router.close()
    finally:
        await directory.close()
