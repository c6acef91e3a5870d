"""`tiffin bench`: what an order costs, over HTTP and on the write path alone."""

import asyncio
from pathlib import Path
from uuid import uuid4

import msgspec
from rich.console import Console
from rich.table import Table

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.drive import mint_for
from tiffin.cli.nodes import open_nodes
from tiffin.cli.platform import CONSUMER_NAMES
from tiffin.cli.running import running_server
from tiffin.events.runner import backlog
from tiffin.load.bench import HttpBench, bench_http
from tiffin.load.report import bench_table
from tiffin.load.write_path import WritePathResult, bench_write_path
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

CALLERS = 64
SETTLING_POLL_S = 0.05


async def bench(
    file: Path, config: Config, seconds: float, rounds: int, callers: int, processes: bool, console: Console
) -> None:
    """Both benches, with tables, on embedded servers of their own: nothing of it stays among real orders."""
    http = _aside(config, "http")
    environment = {"TIFFIN_DATA_DIRECTORY": str(http.data_directory), "TIFFIN_NODES": ""}
    arguments = ["--config", str(file), *(["--processes"] if processes else [])]
    async with open_nodes(http) as nodes:
        assert nodes.postmaster is not None
        with running_server(http.data_directory, arguments, environment) as server:
            pids = {"server": server.pid, "PostgreSQL": nodes.postmaster}
            done: list[HttpBench] = []
            for number in range(1, rounds + 1):
                name = uuid4().hex[:8]
                with console.status(f"orders over HTTP, round {number} of {rounds}"):
                    measured = await bench_http(
                        server.url, mint_for(http), pids, lambda: settled(nodes.all), name, callers, seconds
                    )
                done.append(measured)
            console.print(bench_table(done))
    async with open_nodes(_aside(config, "write-path")) as nodes:
        assert nodes.postmaster is not None
        router = await Router.open(nodes.all)
        with console.status("the write path and pgbench, in turns"):
            result = await bench_write_path(router, nodes.postmaster, utc_now, callers, int(seconds), rounds)
    console.print(_write_path_table(result))


def _aside(config: Config, name: str) -> Config:
    return msgspec.structs.replace(
        config, data_directory=config.data_directory / f"bench-{name}", nodes={}, embedded_nodes=1
    )


async def settled(nodes: list[Node]) -> None:
    """Returns once every reader has handled all there is."""
    for node in nodes:
        for consumer in CONSUMER_NAMES:
            while await backlog(node, consumer):  # noqa: ASYNC110 - another process works it off
                await asyncio.sleep(SETTLING_POLL_S)


def _write_path_table(result: WritePathResult) -> Table:
    table = Table(
        "round", "side", title=f"Write path, {result.callers} callers; pgbench: one transaction an order",
        title_justify="left", caption=", ".join(f"{name} {value}" for name, value in result.server.items()),
    )  # fmt: skip
    for column in ("orders/s", "p50", "p99", "client CPU", "PostgreSQL CPU", "ratio"):
        table.add_column(column, justify="right")
    for number, both in enumerate(result.rounds, start=1):
        for name, side, ratio in (("tiffin", both.ours, f"{both.ratio:.2f}"), ("pgbench", both.pgbench, "")):
            cpu = (f"{side.client_cpu_us:.0f} us", f"{side.server_cpu_us:.0f} us")
            took = (f"{side.p50_s * 1000:.1f} ms", f"{side.p99_s * 1000:.1f} ms")
            table.add_row(str(number), name, f"{side.per_second:,.0f}", *took, *cpu, ratio)
    table.add_row("median", "", "", "", "", "", "", f"{result.ratio:.2f}", style="bold")
    return table
