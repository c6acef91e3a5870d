"""A process of the platform under its supervisor: started, heard, started again when it dies, stopped.

Children are forked from a server that has everything imported (`multiprocessing`'s): one is there in a tenth
of a second and shares what it has not changed, where a fresh interpreter takes a second of CPU.
"""

import asyncio
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from time import monotonic

import structlog

from tiffin.cli.clock import utc_now

PAUSE_S = 0.1
PAUSE_MAX_S = 5.0
LONG_S = 30.0
"""Who has lived so long and dies is started again at once; who dies sooner waits longer every time."""
STOP_S = 20.0
"""From SIGTERM to SIGKILL: longer than any drain."""
LINE_BYTES_MAX = 1 << 20
UNKNOWN = 255
"""The exit code of a process whose fork server has died: it may still run."""

_log = structlog.get_logger()
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tiffin.cli.serve"])


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
        self._command = ["serve", service, *arguments]
        self._environment = environment
        self._hear = hear
        self._changed = changed
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Keep it running until `stop`."""
        pause_s = PAUSE_S
        while not self._stopping.is_set():
            began = monotonic()
            try:
                code = await self._live()
            except OSError as error:
                code = repr(error)
            if self._stopping.is_set():
                return
            pause_s = PAUSE_S if monotonic() - began > LONG_S else pause_s
            _log.error("process_died", process=self.service, code=code, again_in_s=pause_s)
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
            self.restarts += 1

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes too long. Returns when it has ended."""
        self._stopping.set()
        if self.pid is None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self._ended.wait()
        except TimeoutError:
            _log.error("process_killed", process=self.service)
            self._signal(signal.SIGKILL)
            await self._ended.wait()

    async def _live(self) -> int | None:
        """From its start to its end; the exit code."""
        loop = asyncio.get_running_loop()
        heard, said = _context.Pipe(duplex=False)
        process = _context.Process(target=_serve, args=(self._command, dict(self._environment), said))
        try:
            await asyncio.to_thread(process.start)
        finally:
            said.close()
        self.pid, self.started = process.pid, utc_now().timestamp()
        self._ended.clear()
        loop.add_reader(process.sentinel, self._ended.set)
        self._changed()
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        listening = asyncio.create_task(self._listen(heard))
        await self._ended.wait()
        loop.remove_reader(process.sentinel)
        code = process.exitcode
        if code == UNKNOWN:
            self._signal(signal.SIGKILL)
        await listening
        process.close()
        self.pid = self.started = None
        self._changed()
        return code

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self.pid is not None:
                os.kill(self.pid, number)

    async def _listen(self, heard: Connection) -> None:
        reader = asyncio.StreamReader(LINE_BYTES_MAX)
        pipe = os.fdopen(os.dup(heard.fileno()), "rb")
        heard.close()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # a line longer than any of ours; it is dropped
                continue
            if not line:
                break
            self._hear(self.service, line.decode(errors="replace").rstrip("\n"))
        transport.close()

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _serve(command: list[str], environment: dict[str, str], said: Connection) -> None:
    """In the child: as if the command had been typed there, with its output going to the supervisor."""
    os.setsid()
    for stream in (1, 2):
        os.dup2(said.fileno(), stream)
    said.close()
    os.environ.update(environment)
    sys.argv = ["tiffin", *command]
    runpy.run_module("tiffin", run_name="__main__")
