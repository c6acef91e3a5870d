"""`tiffin consumers`: how far each consumer is on each node; and setting one back or forward."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.moments import parse_moment
from tiffin.cli.nodes import open_nodes
from tiffin.events.triage import Standing, TooOld, set_cursor, skip_to_end, standings
from tiffin.storage.node import Node

FRESH = timedelta(seconds=5)
"""A consumer at work tells once a second. What it told longer ago is no rate of now."""


async def consumers(config: Config, console: Console) -> None:
    """Every consumer on every node."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # whole in 80 columns
    for name in ("consumer", "node", "transport"):
        table.add_column(name, no_wrap=True)
    for name in ("depth", "age", "lag", "rate", "failures", "dead"):
        table.add_column(name, justify="right", no_wrap=True)
    troubles: list[str] = []
    async with open_nodes(config) as nodes:
        for node in nodes.all:
            for standing in await standings(node):
                table.add_row(*_row(standing, node, utc_now()))
                if standing.trouble is not None and standing.depth:
                    troubles.append(f"{standing.consumer} on {node.name} does not get on: {standing.trouble}")
    console.print(table if table.row_count else "No consumer has been at work yet.")
    for trouble in troubles:
        console.print(trouble, style="red", markup=False, highlight=False, soft_wrap=True)


async def replay(config: Config, console: Console, name: str, since: str) -> bool:
    """Have a consumer take again what has happened since a moment. False if nobody knows it."""
    moment = _moment(since)
    return await _on_every_node(config, console, name, lambda node: set_cursor(node, name, moment))


async def reset(config: Config, console: Console, name: str, to: str) -> bool:
    """Have a consumer go on from `start`, `end` or a moment. False if nobody knows it."""
    if to == "end":
        return await _on_every_node(config, console, name, lambda node: skip_to_end(node, name))
    moment = None if to == "start" else _moment(to)
    return await _on_every_node(config, console, name, lambda node: set_cursor(node, name, moment))


async def _on_every_node(
    config: Config, console: Console, name: str, do: Callable[[Node], Awaitable[bool]]
) -> bool:
    known: set[str] = set()
    async with open_nodes(config) as nodes:
        try:
            done = [node.name for node in nodes.all if await do(node)]
        except TooOld as error:
            raise SystemExit(f"tiffin: {error}") from None
        for node in nodes.all:
            known.update(standing.consumer for standing in await standings(node))
    for node in done:
        console.print(f"{name} goes on from there on node {node}", highlight=False)
    if not done:
        console.print(f"There is no consumer {name}; there are: {', '.join(sorted(known))}.", style="red")
    return bool(done)


def _moment(text: str) -> datetime:
    try:
        return parse_moment(text, utc_now())
    except ValueError as error:
        raise SystemExit(f"tiffin: {error}") from None


def _row(standing: Standing, node: Node, now: datetime) -> tuple[str, ...]:
    is_fresh = standing.reported_at is not None and now - standing.reported_at < FRESH
    return (
        standing.consumer,
        node.name,
        standing.transport or "-",
        f"{standing.depth:,}" if standing.depth is not None else "-",
        _seconds(standing.age_s),
        _seconds(standing.lag_s),
        f"{standing.rate:,.0f}/s" if is_fresh and standing.rate is not None else "0/s",
        f"{standing.failures or 0:,}",
        f"{standing.dead_letters:,}",
    )


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.3f} s" if seconds < 10 else str(timedelta(seconds=round(seconds)))
