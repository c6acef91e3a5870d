"""`tiffin bench --nodes`: what an order costs with many nodes, beside one node, in one run."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import uuid4

import msgspec
from rich.console import Console
from rich.table import Table

from tiffin.cli.bench import settled
from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.drive import mint_for
from tiffin.cli.nodes import CONNECTIONS_PER_NODE, open_nodes
from tiffin.cli.running import Running, running_server
from tiffin.load.bench import HttpBench, bench_http
from tiffin.load.write_path import WARM_UP_S, Side, WritePath
from tiffin.sharding.router import Router
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

CALLERS_PER_NODE = 32
SERVERS = 2
"""The nodes of the many are spread over so many embedded servers; the one has a server of its own."""


@dataclass(frozen=True)
class _Site:
    """A platform's databases."""

    config: Config
    nodes: list[Node]
    postmasters: Mapping[str, int]


@dataclass(frozen=True)
class _Row:
    """A round on one of the two, CPU in microseconds an order."""

    per_second: float
    p50_s: float
    p99_s: float
    ours_us: float
    postgresql_us: float

    @property
    def cpu_us(self) -> float:
        return self.ours_us + self.postgresql_us


async def bench_nodes(
    file: Path, config: Config, nodes: int, seconds: float, rounds: int, callers: int, processes: bool,
    console: Console,
) -> None:  # fmt: skip
    """Rounds on one node and on many, in turns: over HTTP, and the write path alone."""
    arguments = ["--config", str(file), *(["--processes"] if processes else [])]
    async with _one(config) as one, _many(config, nodes) as many:
        sites = (one, many)
        with (
            running_server(one.config.data_directory, arguments, _environment(one)) as of_one,
            running_server(many.config.data_directory, arguments, _environment(many)) as of_many,
        ):
            done: list[list[_Row]] = [[], []]
            for number in range(rounds):
                for which in (0, 1) if number % 2 == 0 else (1, 0):
                    with console.status(f"orders over HTTP, round {number + 1} of {rounds}"):
                        running = (of_one, of_many)[which]
                        done[which].append(await _over_http(sites[which], running, callers, seconds))
        console.print(_table(f"Over HTTP, {callers} callers", "server CPU", nodes, done))
        with console.status("the write path"):
            done = await _write_path(sites, callers, seconds, rounds)
        console.print(_table(f"Write path, {callers} callers", "client CPU", nodes, done))


@asynccontextmanager
async def _one(config: Config) -> AsyncGenerator[_Site]:
    aside = msgspec.structs.replace(
        config, data_directory=config.data_directory / "bench-one-node", nodes={}, embedded_nodes=1
    )
    async with open_nodes(aside) as opened:
        assert opened.postmaster is not None
        yield _Site(aside, opened.all, {"PostgreSQL": opened.postmaster})


@asynccontextmanager
async def _many(config: Config, nodes: int) -> AsyncGenerator[_Site]:
    directory = config.data_directory / f"bench-{nodes}-nodes"
    connections = {"max_connections": str(CONNECTIONS_PER_NODE * (nodes // SERVERS + 1))}
    async with AsyncExitStack() as stack:
        servers: list[EmbeddedServer] = []
        for number in range(SERVERS):
            place = directory / f"postgresql-{number + 1}"
            server = await asyncio.to_thread(EmbeddedServer.start, place, connections)
            stack.callback(server.stop)
            servers.append(server)
        urls: dict[str, str] = {}
        for number in range(nodes):
            name = f"node{number + 1}"
            await servers[number % SERVERS].create_database(name)
            urls[name] = servers[number % SERVERS].url(name)
        aside = msgspec.structs.replace(config, data_directory=directory, nodes=urls)
        opened = await stack.enter_async_context(open_nodes(aside))
        yield _Site(
            aside, opened.all, {f"PostgreSQL {n + 1}": server.pid for n, server in enumerate(servers)}
        )


def _environment(site: _Site) -> dict[str, str]:
    nodes = " ".join(f"{name}={url}" for name, url in site.config.nodes.items())
    return {"TIFFIN_DATA_DIRECTORY": str(site.config.data_directory), "TIFFIN_NODES": nodes}


async def _over_http(site: _Site, running: Running, callers: int, seconds: float) -> _Row:
    pids = {"server": running.pid, **site.postmasters}
    measured: HttpBench = await bench_http(
        running.url,
        mint_for(site.config),
        pids,
        lambda: settled(site.nodes),
        uuid4().hex[:8],
        callers,
        seconds,
    )
    if measured.not_placed:
        raise RuntimeError(f"orders were refused: {measured.not_placed}")
    server_us = measured.cpu_us["server"]
    return _Row(
        measured.orders_per_s, measured.latency.p50_s, measured.latency.p99_s, server_us,
        sum(measured.cpu_us.values()) - server_us,
    )  # fmt: skip


async def _write_path(sites: Sequence[_Site], callers: int, seconds: float, rounds: int) -> list[list[_Row]]:
    done: list[list[_Row]] = [[], []]
    async with AsyncExitStack() as stack:
        paths: list[WritePath] = []
        for site in sites:
            path = WritePath(await Router.open(site.nodes), site.postmasters, utc_now, callers)
            stack.push_async_callback(path.close)
            await path.place(WARM_UP_S)
            paths.append(path)
        for number in range(rounds):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                side: Side = await paths[which].place(seconds)
                done[which].append(
                    _Row(side.per_second, side.p50_s, side.p99_s, side.client_cpu_us, side.server_cpu_us)
                )
    return done


def _table(title: str, ours: str, nodes: int, done: Sequence[Sequence[_Row]]) -> Table:
    table = Table("round", "nodes", title=title, title_justify="left")
    for column in ("orders/s", "p50", "p99", ours, "PostgreSQL", "CPU an order", "ratio"):
        table.add_column(column, justify="right")
    ratios: list[float] = []
    for number, (one, many) in enumerate(zip(*done, strict=True), start=1):
        ratios.append(many.cpu_us / one.cpu_us)
        for count, row, ratio in ((1, one, ""), (nodes, many, f"{ratios[-1]:.2f}")):
            table.add_row(
                str(number), str(count), f"{row.per_second:,.0f}", f"{row.p50_s * 1000:.1f} ms",
                f"{row.p99_s * 1000:.1f} ms", f"{row.ours_us:.0f} us", f"{row.postgresql_us:.0f} us",
                f"{row.cpu_us:.0f} us", ratio,
            )  # fmt: skip
    table.add_row("median", *[""] * 7, f"{median(ratios):.2f}", style="bold")
    return table
