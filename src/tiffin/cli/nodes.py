"""The databases of a configuration: the owner's, made ready; and as the role of a service enters them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.demonstration import hurry
from tiffin.cli.schemas import ROLES, SCHEMAS
from tiffin.cli.secret import read_secret, role_password
from tiffin.events.retention import keep_days
from tiffin.sharding.topology import lay_out
from tiffin.storage.embedded import SETTINGS, EmbeddedServer
from tiffin.storage.migrations import migrate
from tiffin.storage.node import Node
from tiffin.storage.roles import apply_roles, open_as

CONNECTIONS_PER_NODE = 60
"""What the embedded server has room for: every service's pool, lanes and readers, twice over."""


@dataclass(frozen=True)
class Nodes:
    """The nodes, the directory first, and the postmaster of the embedded server if there is one."""

    all: list[Node]
    postmaster: int | None


@dataclass(frozen=True)
class Addresses:
    """Where the nodes are, by name, the directory first; and the postmaster of an embedded server."""

    urls: Mapping[str, str]
    postmaster: int | None


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
async def open_nodes(config: Config, *, new_passwords: bool = False) -> AsyncGenerator[Nodes]:
    """The nodes as their owner has them, ready for use: migrated, with roles, laid out."""
    password_of = partial(role_password, read_secret(config.data_directory))
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(find_nodes(config))
        nodes: list[Node] = []
        for name, url in found.urls.items():
            node = await Node.open(name, url)
            stack.push_async_callback(node.close)
            nodes.append(node)
            await migrate(node, SCHEMAS)
            await apply_roles(node, ROLES, password_of, new_passwords)
            await keep_days(node, config.log_retention_days)
        if config.demonstration_answer_s:
            await hurry(nodes[0], config.demonstration_answer_s, utc_now())
        await lay_out(nodes[0], nodes)
        yield Nodes(nodes, found.postmaster)


@asynccontextmanager
async def enter_nodes(urls: Mapping[str, str], service: str, secret: bytes) -> AsyncGenerator[Sequence[Node]]:
    """The nodes as the role of a service enters them. Its owner has made them ready."""
    async with AsyncExitStack() as stack:
        nodes: list[Node] = []
        for name, url in urls.items():
            node = await open_as(name, url, service, partial(role_password, secret))
            stack.push_async_callback(node.close)
            nodes.append(node)
        yield nodes
