"""Carrying a move through its steps. Each may be cut short anywhere, and be gone on with by anyone."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tiffin.sharding.moving import history, switching, tables
from tiffin.sharding.moving.comparing import Compared, compare
from tiffin.sharding.moving.history import History
from tiffin.sharding.moving.move import NEXT, Move, MoveBusy, MoveError, Step
from tiffin.sharding.moving.planning import Leg, Place
from tiffin.sharding.moving.replication import Progress, catch_up, progress, publish, subscribe, unsubscribe
from tiffin.sharding.moving.tables import QUERIES
from tiffin.sharding.slots import DIMENSIONS, Dimension
from tiffin.storage.node import STATEMENT_TIMEOUT_S, Connection, Node

LOOK_INTERVAL_S = 0.1
SETTLING_S = 0.2
"""Between two switches. After each, every connection of both nodes plans its statements anew."""
COMPARED_WITHIN_S = 60.0
REHEARSED_WITHIN_S = 30.0
SLOTS_NEEDED = 4
"""On each node: one for the way there or back, and one for each table that is being copied at the moment."""

WORKERS_NEEDED = 2
"""On each server: one that follows, one that copies first and then follows back. Without, nothing comes."""

VERSION_MIN = 160000
"""The first in which a subscription can leave out what its publisher has itself got from another one."""

Tell = Callable[[str, int, int], None]
"""Hears what is being done, and how much of how much of it is done."""


class Mover:
    """All of it may raise `MoveError`, and `Unavailable` if a node is away. Needs the databases' owner."""

    def __init__(self, nodes: Sequence[Node], tell: Tell = lambda what, done, total: None) -> None:
        self._directory = nodes[0]
        self._nodes: Mapping[str, Node] = {node.name: node for node in nodes}
        self._tell = tell
        self._switchboard: Node | Connection = self._directory

    @asynccontextmanager
    async def alone(self, within_s: float = 0.0) -> AsyncGenerator[None]:
        """Nobody else moves anything while this is entered; `MoveBusy` if somebody still does after so long.

        Shards are switched by the very connection that sees to that: if it is lost, so is the right to it.
        """
        connection = await self._directory.connect(STATEMENT_TIMEOUT_S)
        try:
            until_s = time.monotonic() + within_s
            while not await connection.fetchval(QUERIES["lead"]):
                if time.monotonic() >= until_s:
                    raise MoveBusy("another process is moving shards")
                await asyncio.sleep(LOOK_INTERVAL_S)
            self._switchboard = connection
            yield
        finally:
            self._switchboard = self._directory
            await connection.close()

    async def put_back_abandoned(self) -> list[Place]:
        """Where a mover has died in the middle of a switch, the shard stays where it was, until somebody goes
        on. Returns these; none while a mover lives."""
        if not await self._directory.fetch(QUERIES["switching"]):
            return []
        put_back: list[Place] = []
        try:
            async with self.alone():
                for row in await self._directory.fetch(QUERIES["switching"]):
                    old, new = self._node(row["node"]), self._node(row["other"])
                    await switching.put_back(self._switchboard, old, new, row["dimension"], row["shard"])
                    put_back.append((row["dimension"], row["shard"]))
        except MoveBusy:
            return []
        return put_back

    async def moves(self) -> list[Move]:
        """All there ever were."""
        return [_move_of(row) for row in await self._directory.fetch(QUERIES["moves"])]

    async def open_moves(self) -> list[Move]:
        """Those that are neither finished nor cancelled, the oldest first."""
        return [move for move in await self.moves() if NEXT[move.step]]

    async def pauses(self, move: Move, direction: str = "there") -> list[float]:
        """For how long (seconds) each shard was on neither node, shortest first."""
        return [row[0] for row in await self._directory.fetch(QUERIES["pauses"], move.id, direction)]

    async def begin(self, leg: Leg) -> Move:
        """Record a move, if it can be. Nothing is copied yet."""
        source, target = self._node(leg.source), self._node(leg.target)
        for other in await self.open_moves():
            if {(of, shard) for of, shards in leg.shards.items() for shard in shards} & set(other.places):
                raise MoveError(
                    f"move {other.id} has some of these shards and is {other.step}:"
                    " finish, roll back or cancel it first"
                )
        for node in (source, target):
            await check_room(node)
        await _check_same_tables(source, target)
        row = await self._directory.fetchrow(
            QUERIES["begin"], leg.source, leg.target,
            list(leg.shards["customer"]), list(leg.shards["restaurant"]),
        )  # fmt: skip
        return _move_of(row)

    async def copy(self, move: Move) -> Move:
        """Copy everything, follow, and compare. Ends `copied`, with the way back open and tried."""
        source, target = self._ends(move)
        if move.step == "planned":
            move = await self._take(move, "copying")
        if move.step == "copying":
            await tables.make(target, move)
            await publish(source, move, move.there)
            await subscribe(target, source, move.there, copy=True)
            await self._copied(target, move)
            await self._open_way_back(source, target, move)
            await self.compare(move)
            move = await self._take(move, "copied")
        return move

    async def compare(self, move: Move) -> Compared:
        """Hold every row on one side against the other. `MoveError` if one differs."""
        source, target = self._ends(move)
        return await compare(
            source, target, move, COMPARED_WITHIN_S, lambda done, total: self._tell("comparing", done, total)
        )

    async def hand_over(self, move: Move) -> Move:
        """Switch every shard to the target. Ends `following`: the source is kept up for the way back."""
        if move.step == "copied":
            move = await self._take(move, "switching")
        if move.step == "switching":
            source, target = self._ends(move)
            await self._switch_all(move, source, target, "there")
            move = await self._take(move, "following")
        return move

    async def go_back(self, move: Move) -> Move:
        """Switch every shard back to the source, with all that was written since, and forget the move."""
        source, target = self._ends(move)
        if move.step in ("switching", "following"):
            move = await self._take(move, "going_back")
        if move.step == "going_back":
            await self._switch_all(move, target, source, "back")
            move = await self._take(move, "back")
        if move.step == "back":
            await self._clear(move, left=target)
            move = await self._take(move, "cancelled")
        return move

    async def finish(self, move: Move) -> Move:
        """Give up the way back, and what the source still has."""
        source, _ = self._ends(move)
        if move.step != "following":
            raise MoveError(f"move {move.id} is {move.step}: only one that is following can be finished")
        await self._clear(move, left=source)
        return await self._take(move, "finished")

    async def cancel(self, move: Move) -> Move:
        """Give up a move before its first switch."""
        _, target = self._ends(move)
        if "cancelled" not in NEXT[move.step] or move.step == "back":
            raise MoveError(f"move {move.id} is {move.step}: it can be rolled back, not cancelled")
        await self._clear(move, left=target)
        return await self._take(move, "cancelled")

    async def _open_way_back(self, source: Node, target: Node, move: Move) -> None:
        """Before it may be needed, and tried: a mark must come back along it."""
        await publish(target, move, move.back)
        await subscribe(source, target, move.back, copy=False)
        await catch_up(target, source, move, REHEARSED_WITHIN_S)

    async def _copied(self, target: Node, move: Move) -> None:
        done = Progress(1, 0)
        while done.ready < done.tables or done.tables == 0:
            done = await progress(target, move.there)
            self._tell("copying", done.ready, done.tables)
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def _switch_all(self, move: Move, old: Node, new: Node, direction: str) -> None:
        along = History(move, old, new)
        for number, (dimension, shard) in enumerate(move.places):
            self._tell("switching", number, len(move.places))
            paused_s = await switching.switch(self._switchboard, old, new, move, along, dimension, shard)
            if paused_s:
                await self._directory.execute(
                    QUERIES["record_pause"], move.id, dimension, shard, direction, paused_s
                )
                await asyncio.sleep(SETTLING_S)
        self._tell("switching", len(move.places), len(move.places))

    async def _clear(self, move: Move, left: Node) -> None:
        """End the replication both ways, then take the shards' rows off the node that no longer has them."""
        source, target = self._ends(move)
        await unsubscribe(target, source, move.there)
        await unsubscribe(source, target, move.back)
        await tables.throw_away(left, move)
        await history.forget(left, move)

    async def _take(self, move: Move, step: Step) -> Move:
        assert step in NEXT[move.step]
        if await self._directory.fetchrow(QUERIES["take_step"], move.id, move.step, step) is None:
            raise MoveError(f"move {move.id} is not {move.step} any more: somebody else is at it")
        return Move(move.id, move.source, move.target, move.shards, step)

    def _ends(self, move: Move) -> tuple[Node, Node]:
        return self._node(move.source), self._node(move.target)

    def _node(self, name: str) -> Node:
        if name not in self._nodes:
            raise MoveError(f"there is no node {name}")
        return self._nodes[name]


async def check_room(node: Node) -> None:
    """`MoveError` unless shards could move from and to the node's server."""
    room = await node.fetchrow(QUERIES["room"])
    assert room is not None
    if room["version"] < VERSION_MIN:
        raise MoveError(
            f"node {node.name} is older than PostgreSQL 16: its changes could not be told from ours"
        )
    if room["wal_level"] != "logical":
        raise MoveError(
            f"node {node.name} has wal_level = {room['wal_level']}: shards move by logical replication"
        )
    if room["slots"] < SLOTS_NEEDED:
        raise MoveError(
            f"node {node.name} has {room['slots']} replication slots left, {SLOTS_NEEDED} are needed:"
            " raise max_replication_slots"
        )
    if room["workers"] < WORKERS_NEEDED:
        raise MoveError(
            f"node {node.name} has {room['workers']} logical replication workers left, {WORKERS_NEEDED} are"
            " needed: finish the moves that are open, or raise max_logical_replication_workers"
        )


async def _check_same_tables(source: Node, target: Node) -> None:
    for dimension in DIMENSIONS:
        if await tables.sharded(source, dimension) != await tables.sharded(target, dimension):
            raise MoveError(f"{source.name} and {target.name} have different tables: run `tiffin migrate`")


def _move_of(row: Any) -> Move:
    shards: dict[Dimension, Sequence[int]] = {of: tuple(row[f"{of}_shards"]) for of in DIMENSIONS}
    return Move(row["id"], row["source"], row["target"], shards, row["step"])
