"""`tiffin audit --dimension`: the reconciler's walk, now and at full speed."""

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.nodes import open_nodes
from tiffin.services.orders.patrol import walk
from tiffin.services.orders.reconciler import Findings, Reconciler
from tiffin.sharding.router import Router

CAUGHT_UP_WITHIN_S = 10.0
SHOWN_MAX = 50


async def reconcile_dimension(config: Config, console: Console) -> bool:
    """Find and repair what differs, and tell. True if the two dimensions are equal now."""
    async with open_nodes(config) as nodes:
        router = await Router.open(nodes.all)
        with Progress(
            SpinnerColumn(), TextColumn("{task.completed:,.0f} orders compared"), TimeElapsedColumn(),
            console=console, transient=True,
        ) as progress:  # fmt: skip
            bar = progress.add_task("", total=None)

            async def show(first: int, of_range: Findings) -> None:
                progress.advance(bar, of_range.orders)

            found = await walk(Reconciler(router, utc_now, caught_up_within_s=CAUGHT_UP_WITHIN_S), show)
    left = [difference for difference in found.differences if not difference.is_repaired]
    if found.differences:
        console.print(_table(found))
    repaired = len(found.differences) - len(left)
    told = f"{found.orders:,} orders: {len(found.differences):,} copies differed, {repaired:,} repaired."
    if found.unsettled:
        told += f" {found.unsettled:,} could not be judged: their copies are behind."
    console.print(told, highlight=False)
    return not left and not found.unsettled


def _table(found: Findings) -> Table:
    table = Table("order", "restaurant shard", "copy", "repaired", title="Differences", title_justify="left")
    for (shard, order_id), kind, is_repaired in found.differences[:SHOWN_MAX]:
        table.add_row(str(order_id), str(shard), kind, "yes" if is_repaired else "no")
    if len(found.differences) > SHOWN_MAX:
        table.caption = f"and {len(found.differences) - SHOWN_MAX:,} more"
    return table
