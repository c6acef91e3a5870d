"""The write path beside pgbench: how many orders a second, at what cost, on one server in one run.

Ours is `OrderStore.place` under many concurrent callers, into the real tables in 120 partitions, with the
wake-up of the log's readers. pgbench has neither partitions nor wake-up, and makes one transaction an order.
Orders and texts are made before the clock starts, on both sides. Only the ratio of the two is worth quoting:
both ran on the same machine within the same minute. On a machine that is busy with something else even that
is not: pgbench's many processes then get more of it than ours.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tiffin.load.cpu import CpuMeter
from tiffin.load.latency import Latencies
from tiffin.load.pgbench import find_pgbench, run_pgbench
from tiffin.load.placing import Placing
from tiffin.primitives.clock import Clock
from tiffin.services.orders.store import OrderStore
from tiffin.services.orders.transition import Moved
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence as Numbers
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

WARM_UP_S = 1
ORDERS_PER_S_MAX = 50_000
"""So many orders are made for each second; whoever places more is done early, and no less right."""
PLACE_WITHIN_S = 30.0
PGBENCH_CLIENTS_MAX = 128
"""A client is a connection, of which a server has 200. More would not make pgbench faster."""

_QUERIES = load_queries("tiffin.load")


@dataclass(frozen=True)
class Side:
    """One side's share of a round. CPU is the client's (our Python, or pgbench) and all of PostgreSQL's."""

    orders: int
    per_second: float
    p50_s: float
    p99_s: float
    client_cpu_us: float
    """Microseconds an order."""
    server_cpu_us: float
    """Microseconds an order."""

    @property
    def cpu_us(self) -> float:
        return self.client_cpu_us + self.server_cpu_us


@dataclass(frozen=True)
class Round:
    """Both sides, one right after the other."""

    ours: Side
    pgbench: Side

    @property
    def ratio(self) -> float:
        """Of orders a second."""
        return self.ours.per_second / self.pgbench.per_second

    @property
    def cpu_ratio(self) -> float:
        """Of CPU an order, client and server: how many of ours cost what one of pgbench's does."""
        return self.pgbench.cpu_us / self.ours.cpu_us


@dataclass(frozen=True)
class WritePathResult:
    """All rounds, and what the server was set to (`fsync`, `synchronous_commit`, its version ...)."""

    callers: int
    rounds: Sequence[Round]
    server: Mapping[str, str]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(each.ratio for each in self.rounds)

    @property
    def cpu_ratio(self) -> float:
        """The median of the rounds; hardly depends on what else the machine does."""
        return statistics.median(each.cpu_ratio for each in self.rounds)


async def bench_write_path(
    router: Router,
    postmaster: int,
    clock: Clock,
    callers: int = 64,
    seconds: int = 5,
    rounds: int = 3,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> WritePathResult:
    """Rounds of both sides in turn, after a warm-up, each from a fresh checkpoint.

    `router` has one node, of the server whose postmaster's process id is given. Its database should be for
    this alone: the orders stay there, and nobody carries them. `progress` hears of sides done and in all.
    """
    (node,) = router.nodes
    program = find_pgbench()
    await node.execute(_QUERIES["drop_twin"])
    await node.execute(_QUERIES["make_twin"])
    path = WritePath(router, {"postgres": postmaster}, clock, callers)
    bench = _Bench(path, node, postmaster, callers, program)
    try:
        await bench.ours(WARM_UP_S)
        await bench.pgbench(WARM_UP_S)
        done: list[Round] = []
        for number in range(rounds):
            progress(2 * number, 2 * rounds)
            if number % 2:
                theirs = await bench.pgbench(seconds)
                done.append(Round(await bench.ours(seconds), theirs))
            else:
                ours = await bench.ours(seconds)
                done.append(Round(ours, await bench.pgbench(seconds)))
        progress(2 * rounds, 2 * rounds)
        settings = await node.fetch(_QUERIES["server"])
        return WritePathResult(callers, done, {row["name"]: row["setting"] for row in settings})
    finally:
        await path.close()
        await node.execute(_QUERIES["drop_twin"])


class WritePath:
    """`OrderStore.place` under so many callers, on whatever nodes there are."""

    def __init__(self, router: Router, postmasters: Mapping[str, int], clock: Clock, callers: int) -> None:
        """`postmasters` are those of all nodes' servers, by any name."""
        self._router = router
        self._postmasters = postmasters
        self._callers = callers
        self._store = OrderStore(router)
        self.placing = Placing(Numbers(router.directory), clock)

    async def close(self) -> None:
        """Finish what is in flight."""
        await self._store.close()

    async def place(self, seconds: float) -> Side:
        """A round, from a fresh checkpoint on every node."""
        for node in self._router.nodes:
            connection = await node.connect()  # a busy disk takes its time
            await connection.execute(_QUERIES["checkpoint"])
            await connection.close()
        latencies = Latencies()
        orders = [await self.placing.next() for _ in range(int(seconds * ORDERS_PER_S_MAX))]
        server = CpuMeter(self._postmasters)
        cpu, began = time.process_time(), time.perf_counter()
        until = began + seconds
        await asyncio.gather(*(self._call(orders, until, latencies) for _ in range(self._callers)))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        return _side(latencies.count, latencies.count / took, latencies, cpu, server)

    async def _call(self, orders: list[Moved], until: float, latencies: Latencies) -> None:
        while orders and (began := time.perf_counter()) < until:
            if not await self._store.place(orders.pop(), PLACE_WITHIN_S):
                raise RuntimeError("an order that is new was not stored")
            latencies.add(time.perf_counter() - began)


@dataclass(frozen=True)
class _Bench:
    path: WritePath
    node: Node
    postmaster: int
    callers: int
    program: Path

    async def ours(self, seconds: float) -> Side:
        return await self.path.place(seconds)

    async def pgbench(self, seconds: int) -> Side:
        await self.node.execute(_QUERIES["checkpoint"])
        example = await self.path.placing.next()
        server = CpuMeter({"postgres": self.postmaster})
        run = await run_pgbench(
            self.program, self.node.url, min(self.callers, PGBENCH_CLIENTS_MAX), seconds,
            example.row.details, example.data,
        )  # fmt: skip
        return _side(run.transactions, run.per_second, run.latencies, run.cpu_s, server)


def _side(orders: int, per_second: float, latencies: Latencies, cpu_s: float, server: CpuMeter) -> Side:
    return Side(
        orders, per_second, latencies.at(0.5), latencies.at(0.99),
        cpu_s * 1e6 / orders, sum(server.seconds().values()) * 1e6 / orders,
    )  # fmt: skip
