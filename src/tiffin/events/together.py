"""One batch of what the readers of several nodes bring at the same moment.

A consumer that writes to all nodes writes to all of them for every batch, and a small statement costs nearly
what a large one does. With eight nodes whose readers each deliver for themselves that is 64 statements where
one node has one; together it is eight.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from tiffin.events.consumer import Handle
from tiffin.events.event import Event
from tiffin.events.gathering import gathering_s

WAIT_MAX_S = 0.06
"""So long whoever comes first waits for the others, who look at the same moments (`gathering.gathered`): what
a busy process takes to read a batch of each of eight nodes. Never longer than half of what events gather."""
APART_S = 5.0
"""So long each goes alone after a batch has failed: a node that is away, or an event that cannot be handled,
holds up nobody else."""

_log = structlog.get_logger()


@dataclass
class _Group:
    parts: list[Sequence[Event]] = field(default_factory=list[Sequence[Event]])
    full: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    worked: bool = False


class Together:
    """Handles batches that come at about the same time as one; each as if it had come alone.

    If that fails, each is handled alone, and so gets the error that is its own.
    """

    def __init__(self, handle: Handle, gather_s: float, readers: Callable[[], int]) -> None:
        """`readers` says how many there are: once all have come nobody waits any longer."""
        self._handle = handle
        self._gather_s = gather_s
        self._readers = readers
        self._gathering: _Group | None = None
        self._apart_until_s = 0.0

    async def handle(self, events: Sequence[Event]) -> None:
        """Raises what handling these events raises."""
        if asyncio.get_running_loop().time() < self._apart_until_s:
            await self._handle(events)
        elif (group := self._gathering) is None:
            await self._lead(events)
        else:
            group.parts.append(events)
            if len(group.parts) >= self._readers():
                group.full.set()
            await group.ended.wait()
            if not group.worked:
                await self._handle(events)

    async def _lead(self, events: Sequence[Event]) -> None:
        group = self._gathering = _Group([events])
        try:
            await self._wait_for_others(group)
            self._gathering = None
            if len(group.parts) > 1 and await self._handle_as_one(group):
                return
        finally:
            if self._gathering is group:
                self._gathering = None
            group.ended.set()
        await self._handle(events)

    async def _wait_for_others(self, group: _Group) -> None:
        readers = self._readers()
        if readers > 1:
            try:
                async with asyncio.timeout(min(WAIT_MAX_S, gathering_s(self._gather_s, readers) / 2)):
                    await group.full.wait()
            except TimeoutError:
                pass  # they have nothing, or belong to another process

    async def _handle_as_one(self, group: _Group) -> bool:
        try:
            await self._handle([event for part in group.parts for event in part])
        except Exception as error:  # each is told its own, alone
            _log.warning("handled_apart", batches=len(group.parts), error=repr(error))
            self._apart_until_s = asyncio.get_running_loop().time() + APART_S
            return False
        group.worked = True
        return True
