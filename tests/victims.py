"""Processes that are there to be killed, one after the other: see `event_victim`."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Self

LIVE = -1


class Victims:
    """A process that forks them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def of(cls, program: ModuleType, *arguments: str) -> AsyncGenerator[Self]:
        assert program.__file__ is not None
        process = await asyncio.create_subprocess_exec(
            sys.executable, program.__file__, *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield cls(process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # what it has forked, too
            await process.wait()

    async def end_of(self, number: int) -> str:
        """How the one that draws from this number ends: `killed`, or `finished` with nothing left."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % number)
        end = (await self._process.stdout.readline()).decode().strip()
        assert end in ("killed", "finished")
        return end

    async def die(self, number: int) -> None:
        """One that does not end before it is killed."""
        assert await self.end_of(number) == "killed"

    async def live(self) -> None:
        """One that does what there is to do."""
        assert await self.end_of(LIVE) == "finished"
