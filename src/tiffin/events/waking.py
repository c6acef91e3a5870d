"""Waking a node's readers beside the commits that give them something to read."""

import asyncio
from collections.abc import Callable

from tiffin.events.gathering import gathering_s
from tiffin.events.reader import CHANNEL
from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import Node

APART_S = 0.02
"""Wake-ups of one process on its only node are at least so far apart: as long as the quickest consumer lets
events gather, for each costs every listening reader, here and in the database."""

_WAKE = "SELECT pg_notify($1, '')"


class Waker:
    """For statements that set `tiffin.wake_readers` to 'later' (see the trigger in `migrations/`).

    A process that dies between its commit and the wake-up costs readers a moment: they look by themselves.
    """

    def __init__(self, node: Node, nodes: Callable[[], int]) -> None:
        """`nodes` says how many there are: events of many gather longer on each."""
        self._node = node
        self._nodes = nodes
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """At once, or together with others a moment later."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="wake-readers")

    async def close(self) -> None:
        """Send what is still to be sent."""
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                await self._node.execute(_WAKE, CHANNEL)
            except Unavailable:
                return  # readers look by themselves
            await asyncio.sleep(gathering_s(APART_S, self._nodes()))
