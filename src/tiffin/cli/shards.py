"""`tiffin shards move`, `status`, `resume`, `cancel`, `rollback`, `finish`: what they do, what one sees."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from tiffin.cli.config import Config
from tiffin.cli.nodes import open_nodes
from tiffin.sharding.moving.move import Move, MoveError
from tiffin.sharding.moving.mover import Mover
from tiffin.sharding.moving.planning import Leg, balance, drain, parse, to_node
from tiffin.sharding.topology import read_topology
from tiffin.storage.node import Node

LEAD_WITHIN_S = 5.0
"""One that was killed is gone for the database a moment later."""


class Wanted(NamedTuple):
    """What `tiffin shards move` was asked for: exactly one of shards with `to`, `drain`, `balance`."""

    shards: Sequence[str]
    to: str | None
    drain: str | None
    balance: bool


async def move(config: Config, wanted: Wanted, copy_only: bool, console: Console) -> bool:
    """Plan, and carry every leg out one after the other. True if there was something to do."""
    async with _at_work(config, console) as (mover, nodes):
        legs = await _plan(wanted, nodes)
        for leg in legs:
            begun = await mover.begin(leg)
            console.print(f"Move {begun.id}: {_described(begun)}", highlight=False)
            await _carry_out(mover, begun, copy_only, console)
    if not legs:
        console.print("Every shard is where it should be already.")
    return bool(legs)


async def resume(config: Config, console: Console) -> bool:
    """Go on with what is open. False: nothing is."""
    async with _at_work(config, console) as (mover, _):
        moves = await mover.open_moves()
        for open_move in moves:
            console.print(f"Move {open_move.id}: {_described(open_move)}", highlight=False)
            if open_move.step in ("going_back", "back"):
                await mover.go_back(open_move)
            else:
                await _carry_out(mover, open_move, False, console)
    if not moves:
        console.print("No move is open.")
    return bool(moves)


async def cancel(config: Config, console: Console) -> None:
    """Every open move that has switched nothing yet."""
    async with _at_work(config, console) as (mover, _):
        for open_move in await mover.open_moves():
            await mover.cancel(open_move)
            console.print(f"Move {open_move.id} is cancelled.", highlight=False)


async def rollback(config: Config, console: Console) -> None:
    """Every open move, the youngest first."""
    async with _at_work(config, console) as (mover, _):
        for open_move in reversed(await mover.open_moves()):
            await mover.go_back(open_move)
            _tell_pauses(console, await mover.pauses(open_move, "back"))
            console.print(f"Move {open_move.id} is rolled back.", highlight=False)


async def finish(config: Config, console: Console) -> None:
    """Every open move that has switched everything."""
    async with _at_work(config, console) as (mover, _):
        for open_move in await mover.open_moves():
            await mover.finish(open_move)
            console.print(f"Move {open_move.id} is finished.", highlight=False)


async def status(config: Config, console: Console) -> None:
    """A table of the open moves."""
    async with open_nodes(config) as nodes:
        moves = await Mover(nodes.all).open_moves()
        topology = await read_topology(nodes.all[0])
    if not moves:
        console.print("No move is open.")
        return
    table = Table("move", "from", "to", "step", title="Open moves", title_justify="left")
    table.add_column("shards", justify="right")
    table.add_column("switched", justify="right")
    table.add_column("between two nodes", justify="right")
    for each in moves:
        switched = sum(topology.node_names[place] == each.target for place in each.places)
        between = sum(place in topology.switching for place in each.places)
        table.add_row(
            str(each.id),
            each.source,
            each.target,
            each.step,
            str(len(each.places)),
            str(switched),
            str(between),
        )
    console.print(table)


@asynccontextmanager
async def _at_work(config: Config, console: Console) -> AsyncGenerator[tuple[Mover, Sequence[Node]]]:
    """A mover of one's own, with bars that show what it does."""
    async with open_nodes(config) as nodes:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            bars: dict[str, TaskID] = {}

            def show(what: str, done: int, total: int) -> None:
                if what not in bars:
                    bars[what] = progress.add_task(what)
                progress.update(bars[what], completed=done, total=total)

            mover = Mover(nodes.all, show)
            async with mover.alone(LEAD_WITHIN_S):
                yield mover, nodes.all


async def _plan(wanted: Wanted, nodes: Sequence[Node]) -> list[Leg]:
    names = [node.name for node in nodes]
    for name in (wanted.to, wanted.drain):
        if name is not None and name not in names:
            raise MoveError(f"there is no node {name}; there are {', '.join(names)}")
    if [bool(wanted.shards), wanted.drain is not None, wanted.balance].count(True) != 1:
        raise MoveError("say which shards, or --drain NODE, or --balance")
    if bool(wanted.shards) != (wanted.to is not None):
        raise MoveError("shards go --to NODE")
    holders = (await read_topology(nodes[0])).node_names
    if wanted.drain is not None:
        return drain(holders, wanted.drain, [name for name in names if name != wanted.drain])
    return to_node(holders, parse(wanted.shards), wanted.to) if wanted.to else balance(holders, names)


async def _carry_out(mover: Mover, begun: Move, copy_only: bool, console: Console) -> None:
    copied = await mover.copy(begun)
    if copy_only:
        console.print(
            "Copied and compared. `tiffin shards resume` switches, `cancel` gives up.", highlight=False
        )
        return
    await mover.hand_over(copied)
    _tell_pauses(console, await mover.pauses(copied))
    console.print(
        "Switched. The old node follows: `tiffin shards rollback` goes back, `finish` ends it.",
        highlight=False,
    )


def _tell_pauses(console: Console, pauses: Sequence[float]) -> None:
    if pauses:
        console.print(
            f"{len(pauses)} shards switched; each was away for {median(pauses) * 1000:.0f} ms in the median,"
            f" {pauses[-1] * 1000:.0f} ms at worst.",
            highlight=False,
        )


def _described(move: Move) -> str:
    shards = ", ".join(f"{len(shards)} {of} shards" for of, shards in move.shards.items() if shards)
    return f"{shards} from {move.source} to {move.target}"
