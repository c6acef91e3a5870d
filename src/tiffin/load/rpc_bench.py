"""What a call costs: ours beside `grpc.aio`, in turns within one run, with CPU a call from /proc.

Both carry the same menu of about a kilobyte there and back, from one process to another, with a deadline:
the contract's structs here, protobuf's compiled messages there. On top of that ours checks the contract's
limits, keeps classes of callers apart and counts, as in production. Only the ratio is worth quoting: both
sides ran on the same machine within the same minute.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol, cast

import uvloop

from tiffin.load.cpu import process_seconds
from tiffin.load.latency import Latencies
from tiffin.primitives.clock import Clock

WARM_UP_S = 0.5
START_S = 30.0
SIDES = {"tiffin": "tiffin.load.rpc_echo", "grpc.aio": "tiffin.load.grpc_echo"}
"""The modules of both; each is a `Side`."""

Call = Callable[[], Awaitable[int]]
"""One call; gives how many dishes came back."""


@dataclass(frozen=True)
class Mode:
    """How many connections, and how many calls at once on each."""

    connections: int
    calls_per_connection: int

    def __str__(self) -> str:
        return f"{self.connections} connections x {self.calls_per_connection}"


MODES = (Mode(64, 1), Mode(4, 16))
"""One call at a time on each connection, and pipelined; 64 callers both times."""


class Side(Protocol):
    """What runs in the server's process and in the client's."""

    async def serve(self, clock: Clock, ready: Callable[[int], None]) -> None:
        """Listen on a free port of this machine, tell which, and answer until the process ends."""
        ...

    def connect(self, clock: Clock, port: int, mode: Mode) -> AbstractAsyncContextManager[Sequence[Call]]:
        """A call for each caller."""
        ...


@dataclass(frozen=True)
class Measured:
    """One side's share of a round. CPU in microseconds a call."""

    calls: int
    per_second: float
    p50_s: float
    p99_s: float
    server_cpu_us: float
    client_cpu_us: float


@dataclass(frozen=True)
class ModeResult:
    """All rounds of one mode, by side."""

    mode: Mode
    rounds: Mapping[str, Sequence[Measured]]

    def median(self, side: str, figure: Callable[[Measured], float]) -> float:
        """Of a side's rounds."""
        return statistics.median(figure(measured) for measured in self.rounds[side])


def is_installed(side: str) -> bool:
    """Whether what the side needs is there."""
    try:
        import_module(SIDES[side])
    except ModuleNotFoundError:
        return False
    return True


def bench_rpc(
    clock: Clock, sides: Sequence[str], seconds: float, rounds: int, progress: Callable[[str], None]
) -> list[ModeResult]:
    """Every mode, every side, in turns. Blocks. Other processes must be able to import `clock`."""
    results: list[ModeResult] = []
    for mode in MODES:
        measured: dict[str, list[Measured]] = {side: [] for side in sides}
        for number in range(rounds):
            for side in sides[:: 1 if number % 2 else -1]:
                progress(f"{mode}, round {number + 1} of {rounds}, {side}")
                measured[side].append(_round(SIDES[side], clock, mode, seconds))
        results.append(ModeResult(mode, measured))
    return results


def _round(side: str, clock: Clock, mode: Mode, seconds: float) -> Measured:
    with _process(_serve, side, clock) as (server_pid, told):
        port = told()
        with _process(_measure, side, clock, port, mode, server_pid, seconds) as (_, result):
            return result()


@contextmanager
def _process(work: Callable[..., None], *given: Any) -> Generator[tuple[int, Callable[[], Any]]]:
    """Another process, ended at the end. Gives its id, and a function that waits for what it says."""
    spawn = get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=work, args=(there, *given), daemon=True)
    process.start()
    there.close()

    def told() -> Any:
        if not here.poll(START_S):
            raise TimeoutError("a process of the bench says nothing")
        try:
            return here.recv()
        except EOFError:
            raise RuntimeError("a process of the bench has failed") from None

    try:
        assert process.pid is not None
        yield process.pid, told
    finally:
        process.terminate()
        process.join()


def _serve(told: Connection, module: str, clock: Clock) -> None:
    side = cast(Side, import_module(module))
    uvloop.run(side.serve(clock, told.send))


def _measure(
    told: Connection, module: str, clock: Clock, port: int, mode: Mode, server_pid: int, seconds: float
) -> None:
    side = cast(Side, import_module(module))

    async def measure() -> Measured:
        async with side.connect(clock, port, mode) as calls:
            await _drive(calls, WARM_UP_S)
            pids = server_pid, os.getpid()
            before = [process_seconds(pid) for pid in pids]
            began = time.perf_counter()
            latencies = await _drive(calls, seconds)
            took_s = time.perf_counter() - began
            server_s, client_s = (process_seconds(pid) - s for pid, s in zip(pids, before, strict=True))
        count = latencies.count
        return Measured(
            count, count / took_s, latencies.at(0.5), latencies.at(0.99),
            server_s * 1e6 / count, client_s * 1e6 / count,
        )  # fmt: skip

    told.send(uvloop.run(measure()))


async def _drive(calls: Sequence[Call], seconds: float) -> Latencies:
    """Every caller calls, again and again."""
    latencies = Latencies()
    until = time.perf_counter() + seconds

    async def caller(call: Call) -> None:
        while (began := time.perf_counter()) < until:
            if await call() != DISHES:
                raise RuntimeError("not the menu that was sent")
            latencies.add(time.perf_counter() - began)

    await asyncio.gather(*map(caller, calls))
    return latencies


DISHES = 6
"""About a kilobyte of menu."""
