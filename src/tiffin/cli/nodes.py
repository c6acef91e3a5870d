"""The databases of a configuration, ready for use: started, migrated, laid out."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tiffin.cli.config import Config
from tiffin.cli.schemas import SCHEMAS
from tiffin.events.retention import keep_days
from tiffin.sharding.topology import lay_out
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.migrations import migrate
from tiffin.storage.node import Node


@dataclass(frozen=True)
class Nodes:
    """The nodes, the directory first, and the postmaster of the embedded server if there is one."""

    all: list[Node]
    postmaster: int | None


@asynccontextmanager
async def open_nodes(config: Config) -> AsyncGenerator[Nodes]:
    """The nodes that the configuration names, or embedded ones if it names none."""
    postmaster: int | None = None
    async with AsyncExitStack() as stack:
        urls: Mapping[str, str] = config.nodes
        if not urls:
            server = await asyncio.to_thread(EmbeddedServer.start, config.data_directory / "postgresql")
            stack.push_async_callback(asyncio.to_thread, server.stop)
            postmaster = server.pid
            urls = await _embedded(server, config.embedded_nodes)
        nodes: list[Node] = []
        for name, url in urls.items():
            node = await Node.open(name, url)
            stack.push_async_callback(node.close)
            nodes.append(node)
            await migrate(node, SCHEMAS)
            await keep_days(node, config.log_retention_days)
        await lay_out(nodes[0], nodes)
        yield Nodes(nodes, postmaster)


async def _embedded(server: EmbeddedServer, count: int) -> dict[str, str]:
    names = ["local"] + [f"local{number}" for number in range(2, count + 1)]
    for name in names:
        await server.create_database(name)
    return {name: server.url(name) for name in names}
