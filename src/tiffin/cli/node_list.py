"""`tiffin nodes list`: every node, what it holds and how it is."""

import asyncio
from typing import NamedTuple

import asyncpg
from rich.console import Console
from rich.table import Table

from tiffin.cli.config import Config
from tiffin.cli.nodes import Ground, open_directory
from tiffin.cli.platform import CONSUMER_NAMES
from tiffin.events.runner import backlog
from tiffin.primitives.errors import Unavailable
from tiffin.sharding import registry
from tiffin.sharding.registry import Listed, NodeError
from tiffin.sharding.slots import DIMENSIONS
from tiffin.sharding.topology import read_topology
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

ANSWER_S = 5.0
"""A node that takes longer counts as not reached."""

_QUERIES = load_queries("tiffin.sharding")


class _State(NamedTuple):
    rows: int
    """About: as PostgreSQL's statistics have it."""
    size_bytes: int
    connections: int
    connections_max: int
    version: str
    unread: int
    """Events that the consumer furthest behind has not handled."""


async def list_nodes(config: Config, console: Console) -> None:
    """A row a node. One that does not answer is shown as such."""
    async with open_directory(config) as ground:
        listed = [each for each in (await registry.listed(ground.directory)).values() if not each.removed]
        topology = await read_topology(ground.directory)
        states = await asyncio.gather(*(_ask(ground, each) for each in listed))
    table = Table(
        title=f"Nodes, epoch {topology.epoch}", title_justify="left", box=None, padding=(0, 1), pad_edge=False
    )  # whole in 80 columns
    table.add_column("node", no_wrap=True)
    for column in (*DIMENSIONS, "rows", "size", "unread", "conns", "version"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for number, (each, state) in enumerate(zip(listed, states, strict=True)):
        held = [
            str(sum(of == dimension and name == each.name for (of, _), name in topology.node_names.items()))
            for dimension in DIMENSIONS
        ]
        reached = ("directory" if number == 0 else "reached") if state else "away"
        table.add_row(each.name, *held, *_figures(state), reached, style=None if state else "red")
    console.print(table)


async def _ask(ground: Ground, listed: Listed) -> _State | None:
    try:
        async with asyncio.timeout(ANSWER_S):
            node = await ground.open(listed)
            try:
                return await _state_of(node)
            finally:
                await node.close()
    except (Unavailable, NodeError, TimeoutError, asyncpg.PostgresError):
        return None


async def _state_of(node: Node) -> _State:
    row = await node.fetchrow(_QUERIES["state"])
    assert row is not None
    unread = [await backlog(node, name) for name in CONSUMER_NAMES]
    return _State(
        row["rows"], row["bytes"], row["connections"], row["connections_max"], row["version"], max(unread)
    )


def _figures(state: _State | None) -> tuple[str, ...]:
    if state is None:
        return ("-",) * 5
    return (
        f"{state.rows:,}", f"{state.size_bytes / (1 << 20):,.0f} MB", f"{state.unread:,}",
        f"{state.connections}/{state.connections_max}", state.version,
    )  # fmt: skip
