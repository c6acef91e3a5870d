"""A process of the platform under its supervisor: started, heard, started again when it dies, stopped."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

import structlog

from tiffin.cli.clock import utc_now
from tiffin.cli.stopping import LIFELINE

PAUSE_S = 0.1
PAUSE_MAX_S = 5.0
LONG_S = 30.0
"""Who has lived so long and dies is started again at once; who dies sooner waits longer every time."""
STOP_S = 20.0
"""From SIGTERM to SIGKILL: longer than any drain."""
LINE_BYTES_MAX = 1 << 20

_log = structlog.get_logger()


class Child:
    """`tiffin serve SERVICE` in a process of its own, for as long as `run` runs."""

    def __init__(
        self, service: str, arguments: Sequence[str], environment: Mapping[str, str],
        hear: Callable[[str, str], None], changed: Callable[[], None],
    ) -> None:  # fmt: skip
        """`hear(service, line)` is given every line it prints; `changed` is told when it starts or ends."""
        self.service = service
        self.pid: int | None = None
        self.started: float | None = None
        """Seconds since the epoch."""
        self.restarts = 0
        self._arguments = arguments
        self._environment = {**os.environ, **environment, LIFELINE: "1", "PYTHONUNBUFFERED": "1"}
        self._hear = hear
        self._changed = changed
        self._process: Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keep it running until `stop`."""
        pause_s = PAUSE_S
        while not self._stopping.is_set():
            process = await self._start()
            began = monotonic()
            await self._listen(process)
            code = await process.wait()
            self.pid = self.started = None
            self._changed()
            if self._stopping.is_set():
                return
            pause_s = PAUSE_S if monotonic() - began > LONG_S else pause_s
            _log.error("process_died", service=self.service, code=code, again_in_s=pause_s)
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
            self.restarts += 1

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes too long. Returns when it has ended."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            _log.error("process_killed", service=self.service)
            process.kill()
            await process.wait()

    async def _start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tiffin", "serve", self.service, *self._arguments,
            stdin=PIPE, stdout=PIPE, stderr=STDOUT, limit=LINE_BYTES_MAX,
            env=self._environment, start_new_session=True,
        )  # fmt: skip
        self._process = process
        self.pid, self.started = process.pid, utc_now().timestamp()
        if self._stopping.is_set():
            process.terminate()
        self._changed()
        return process

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # a line longer than any of ours; it is dropped
                continue
            if not line:
                return
            self._hear(self.service, line.decode(errors="replace").rstrip("\n"))

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
        except TimeoutError:
            pass
