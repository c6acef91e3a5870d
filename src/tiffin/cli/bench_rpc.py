"""`tiffin bench rpc`: what a call between two processes costs, beside grpc.aio."""

from rich.console import Console
from rich.table import Table

from tiffin.cli.clock import utc_now
from tiffin.load.rpc_bench import SIDES, Measured, ModeResult, bench_rpc, is_installed


def bench(seconds: float, rounds: int, console: Console) -> None:
    """Measures and prints."""
    sides = [side for side in SIDES if is_installed(side)]
    for missing in SIDES.keys() - set(sides):
        console.print(f"{missing} is not installed (pip install grpcio protobuf): only ours is measured.")
    with console.status("") as status:
        for result in bench_rpc(utc_now, sides, seconds, rounds, status.update):
            console.print(_table(result))


def _table(result: ModeResult) -> Table:
    table = Table(
        "round", "side", title=f"Calls with a kilobyte there and back, {result.mode}", title_justify="left"
    )
    for column in ("calls/s", "p50", "p99", "server CPU", "client CPU"):
        table.add_column(column, justify="right")
    for number, measured in enumerate(zip(*result.rounds.values(), strict=True), start=1):
        for side, one in zip(result.rounds, measured, strict=True):
            table.add_row(str(number), side, *_figures(one))
    if len(result.rounds) == 2:
        ours, theirs = result.rounds
        ratios = [result.median(theirs, cpu) / result.median(ours, cpu) for cpu in (_server, _client)]
        table.add_row("median", f"{theirs} / {ours}", "", "", "", *(f"{r:.1f}" for r in ratios), style="bold")
    return table


def _server(one: Measured) -> float:
    return one.server_cpu_us


def _client(one: Measured) -> float:
    return one.client_cpu_us


def _figures(one: Measured) -> list[str]:
    times = (f"{one.p50_s * 1000:.1f} ms", f"{one.p99_s * 1000:.1f} ms")
    return [f"{one.per_second:,.0f}", *times, f"{one.server_cpu_us:.1f} us", f"{one.client_cpu_us:.1f} us"]
