"""The truth changes sides: everybody who writes waits, the last changes go over, both are compared, and it is
done.

All of it happens while the row of settings is held in the monolith's database. Whoever is killed in between
lets go of it with nothing changed; what was handed over of the orders by then is set right by the follower.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tiffin.events.progress import has_caught_up
from tiffin.migration.live.desk import Desk, LiveError
from tiffin.migration.live.follower import Follower, Handing, hold_all, release_all
from tiffin.migration.live.writing_back import consumer_name
from tiffin.migration.stages import Authority
from tiffin.rpc import contracts as c
from tiffin.storage.node import Node

CATCH_UP_S = 30.0


@dataclass(frozen=True)
class Switched:
    """How the truth changed sides."""

    pause_s: float
    """How long writers waited."""
    orders: int
    """How many changed hands: those that had not ended."""
    compared: int
    """How many were compared while nobody wrote."""


@dataclass(frozen=True)
class Sides:
    """Both sides of a migration."""

    source: str
    desk: Desk
    follower: Follower
    orders: Handing
    nodes: Sequence[Node]
    context: Callable[[], c.CallContext]
    compare: Callable[[], Awaitable[tuple[int, list[str]]]]
    """What changed lately: how many, and the keys of those that differ."""

    async def switch(self, to: Authority, within_s: float) -> Switched:
        """Give the truth to the other side. `LiveError`: it stays where it is."""
        await self._catch_up()  # what can be done before anybody has to wait
        if to == "new":
            await self.desk.fence()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with self.desk.switch(within_s) as switch:
                moved, compared = await (self._to_new() if to == "new" else self._to_old())
                await switch.set_authority(to)
        except BaseException:
            await self._undo(to)
            raise
        pause_s = loop.time() - began_s
        if to == "old":
            await self.desk.unfence()
        return Switched(pause_s, moved, compared)

    async def _to_new(self) -> tuple[int, int]:
        await self.follower.fetch_all()
        compared = await self._compared()
        return await release_all(self.orders, self.context, self.source), compared

    async def _to_old(self) -> tuple[int, int]:
        moved = await hold_all(self.orders, self.context, self.source)
        await self._written_back()
        return moved, await self._compared()

    async def _compared(self) -> int:
        compared, differing = await self.compare()
        if differing:
            raise LiveError(
                f"{len(differing)} orders differ, such as {', '.join(differing[:3])}:"
                " `tiffin migrate compare` tells how"
            )
        return compared

    async def _catch_up(self) -> None:
        settings = await self.desk.settings()
        if settings is None:
            raise LiveError("nothing is prepared: begin with `tiffin migrate dual-write`")
        if settings.authority == "old":
            await self.follower.fetch_all()
        else:
            await self._written_back()

    async def _written_back(self) -> None:
        for node in self.nodes:
            if not await has_caught_up(node, consumer_name(self.source), CATCH_UP_S):
                raise LiveError(f"{node.name}: the old table is behind; is `tiffin migrate follow` running?")

    async def _undo(self, to: Authority) -> None:
        settings = await self.desk.settings()
        if settings is not None and settings.authority != to:
            hand_over = hold_all if to == "new" else release_all
            await hand_over(self.orders, self.context, self.source)
