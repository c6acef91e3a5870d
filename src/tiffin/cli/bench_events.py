"""`tiffin bench events`: what an event costs from the log to its effect, by each transport."""

import os

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.nodes import open_nodes
from tiffin.events.rabbitmq.connection import Lost
from tiffin.load.events_bench import FORMS, Bench, EventsResult, Stage, clean, is_used

BROKER = "beam.smp"


async def bench(config: Config, events: int, seconds: float, rounds: int, console: Console) -> bool:
    """Measures and prints, on an embedded server of its own. False: the broker is somebody else's."""
    url = config.events.url
    aside = msgspec.structs.replace(
        config, data_directory=config.data_directory / "bench-events", nodes={}, embedded_nodes=1
    )
    forms = FORMS
    try:
        if await is_used(url):
            console.print("Events go through this virtual host already: make one of its own for the bench.")
            return False
    except Lost as error:
        console.print(f"No broker ({error.message}): only the log is measured.", soft_wrap=True)
        forms = FORMS[:1]
    async with open_nodes(aside) as nodes:
        assert nodes.postmaster is not None
        pids = {"tiffin": os.getpid(), "PostgreSQL": nodes.postmaster, **_broker()}
        results: list[EventsResult] = []
        for number in range(1, rounds + 1):
            for form in forms:
                with console.status(f"round {number} of {rounds}: {form}"):
                    results.append(await Bench(nodes.all[0], url, pids, utc_now).run(form, events, seconds))
    if len(forms) > 1:
        await clean(url)
    console.print(_table(results))
    return True


def _broker() -> dict[str, int]:
    """The broker's process, if it is the only one on this machine."""
    found = [process.pid for process in psutil.process_iter(["name"]) if process.info["name"] == BROKER]
    return {"broker": found[0]} if len(found) == 1 else {}


def _table(results: list[EventsResult]) -> Table:
    table = Table("transport", "stage", title="Events, one consumer, 300 bytes", title_justify="left")
    for column in ("events/s", "lag p50", "lag p99", "tiffin CPU", "PostgreSQL CPU", "broker CPU"):
        table.add_column(column, justify="right")
    for result in sorted(results, key=lambda each: FORMS.index(each.form)):
        if result.publish is not None:
            table.add_row(result.form, "published, confirmed", *_figures(result.publish))
        table.add_row(result.form, "consumed, with effect", *_figures(result.consume))
        lag = (f"{result.lag.p50_s * 1000:.0f} ms", f"{result.lag.p99_s * 1000:.0f} ms")
        table.add_row(result.form, "at half load", f"{result.rate:,.0f}", *lag)
    return table


def _figures(stage: Stage) -> list[str]:
    cpu = [f"{stage.cpu_us[name]:.1f} us" if name in stage.cpu_us else "" for name in _PROCESSES]
    return [f"{stage.per_second:,.0f}", "", "", *cpu]


_PROCESSES = ("tiffin", "PostgreSQL", "broker")
