"""Drives a day of orders against a running platform, and says what came of it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tiffin.load.day import Arrival, busiest_second, demo_day
from tiffin.load.http import Http
from tiffin.load.journal import Journal
from tiffin.load.pace import FlatOut, Timed
from tiffin.load.platform import Mint, Platform
from tiffin.load.registration import register
from tiffin.load.run import Deadlines, Run
from tiffin.load.story import carry
from tiffin.load.tally import Snapshot, Summary, Tally
from tiffin.primitives.clock import Clock

REPORT_EVERY_S = 0.25
RATE_OVER_S = 5.0

Watch = Callable[[Snapshot], None]
"""Is shown the run under way, a few times a second."""


def _nobody(_: Snapshot) -> None:
    pass


@dataclass(frozen=True)
class Drive:
    """How a day is to be driven."""

    name: str
    """Names this run: its idempotency keys begin with it, so another run places orders of its own."""
    speed: float | None = None
    """Times as fast as the day was, open loop; None: as fast as the platform takes it."""
    orders_max: int = 64
    """Orders at work at once where no speed is given."""
    connections_max: int = 128
    deadlines: Deadlines = field(default_factory=Deadlines)
    journal: Path | None = None


async def replay(
    base_url: str, mint: Mint, day: Sequence[Arrival], drive: Drive, clock: Clock, watch: Watch = _nobody
) -> Summary:
    """Register everybody the day names, place all its orders, and carry each to its end.

    The platform may go away and come back meanwhile: what it did not answer is asked after or sent again.
    """
    tally = Tally()
    http = Http(base_url, connections_max=drive.connections_max)
    platform = Platform(http, mint, tally)
    try:

        def registering(what: str, done: int, of: int) -> None:
            watch(Snapshot(what, done, of))

        menus = await register(platform, day, registering)
        pace = FlatOut(drive.orders_max) if drive.speed is None else Timed(drive.speed, day[0].at_s)
        with Journal(drive.journal) if drive.journal else nullcontext() as journal:
            midnight = clock() - timedelta(seconds=day[0].at_s / drive.speed) if drive.speed else None
            run = Run(drive.name, platform, menus, pace, drive.deadlines, tally, clock, midnight, journal)
            return await _drive(run, day, watch)
    finally:
        await http.close()


async def run_demo_day(
    base_url: str,
    mint: Mint,
    drive: Drive,
    clock: Clock,
    watch: Watch = _nobody,
    orders: int = 2000,
    seed: int = 1,
) -> Summary:
    """The built-in day: `orders` orders that follow the published arrival curve."""
    return await replay(base_url, mint, demo_day(orders, seed), drive, clock, watch)


async def _drive(run: Run, day: Sequence[Arrival], watch: Watch) -> Summary:
    loop = asyncio.get_running_loop()
    started, under_way = loop.time(), _UnderWay(len(day))
    reporter = asyncio.create_task(_report(run.tally, under_way, watch))

    async def one(arrival: Arrival, intended: float) -> None:
        under_way.begun += 1
        try:
            await carry(run, arrival, intended)
        finally:
            under_way.ended += 1
            run.pace.end()

    try:
        async with asyncio.TaskGroup() as orders:
            for arrival in day:
                orders.create_task(one(arrival, await run.pace.begin(arrival.at_s)))
    finally:
        reporter.cancel()
    summary = run.tally.summary(len(day), loop.time() - started, busiest_second(day))
    watch(under_way.snapshot(run.tally, loop.time()))
    return summary


@dataclass
class _UnderWay:
    total: int
    begun: int = 0
    ended: int = 0
    _seen: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def snapshot(self, tally: Tally, now: float) -> Snapshot:
        placed = tally.counts["placed"]
        self._seen.append((now, placed))
        while self._seen[0][0] < now - RATE_OVER_S:
            self._seen.popleft()
        since, before = self._seen[0]
        return Snapshot(
            phase="orders",
            done=self.ended,
            total=self.total,
            counts=tally.counts.copy(),
            refused=tally.refused.copy(),
            in_flight=self.begun - self.ended,
            orders_per_s=(placed - before) / (now - since) if now > since else 0.0,
            p99_s=tally.placing.at(0.99),
            unexpected=tally.unexpected_count,
        )


async def _report(tally: Tally, under_way: _UnderWay, watch: Watch) -> None:
    loop = asyncio.get_running_loop()
    while True:
        watch(under_way.snapshot(tally, loop.time()))
        await asyncio.sleep(REPORT_EVERY_S)
