"""`tiffin ps`: the platform's processes, and how they are."""

import asyncio

import psutil
from rich.console import Console
from rich.table import Table

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.health import Health, ask
from tiffin.cli.parts import PARTS
from tiffin.cli.roll import Entry, read_roll
from tiffin.cli.running import Running, find


async def ps(config: Config, console: Console) -> bool:
    """A row a process. True if there are any and all of them serve."""
    running = find(config.data_directory)
    entries = _supervised(config, running) or _one_process(running) or _configured(config)
    if not entries:
        console.print("Nothing is up on this data directory, and no [services] are configured.")
        return False
    health = await asyncio.gather(*(ask(_asked_as(entry.service), entry.address) for entry in entries))
    console.print(_table(entries, health))
    return all(each.state == "serving" for each in health)


def _supervised(config: Config, running: Running | None) -> list[Entry]:
    """Those of the supervisor that is up, in the order of their start."""
    if running is None or not running.supervises:
        return []
    return read_roll(config.data_directory)


def _one_process(running: Running | None) -> list[Entry]:
    if running is None:
        return []
    return [Entry("all in one", running.url.removeprefix("http://"), running.pid, running.started)]


def _configured(config: Config) -> list[Entry]:
    """By hand: where the configuration says that processes are, here or elsewhere."""
    entries = [
        Entry(name, address)
        for name in ("sandbox", *PARTS)
        for address in getattr(config.services, name).addresses
    ]
    return [*entries, Entry("gateway", config.server.own_url.removeprefix("http://"))] if entries else []


def _asked_as(service: str) -> str:
    return "gateway" if service == "all in one" else service


def _table(entries: list[Entry], health: list[Health]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False)  # whole in 80 columns
    for column in ("service", "pid", "address", "health"):
        table.add_column(column, no_wrap=True)
    for column in ("calls", "uptime", "restarts", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    now = utc_now().timestamp()
    for entry, each in zip(entries, health, strict=True):
        table.add_row(
            entry.service, _or_dash(entry.pid), entry.address, each.state, _or_dash(each.in_flight),
            "-" if entry.started is None else _duration(now - entry.started), _or_dash(entry.restarts),
            _memory(entry.pid), style=None if each.state == "serving" else "red",
        )  # fmt: skip
    return table


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _memory(pid: int | None) -> str:
    try:
        return "-" if pid is None else f"{psutil.Process(pid).memory_info().rss / (1 << 20):.0f} MB"
    except psutil.NoSuchProcess:
        return "-"
