"""`tiffin archive`: how much is archived, and archiving now what may go."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.nodes import open_nodes
from tiffin.services.orders.archive import QUERIES
from tiffin.services.orders.archiver import Archived, Archiver
from tiffin.services.payments.store import PaymentStore
from tiffin.services.reverse.store import CaseStore

ROUNDS = 2
"""Copies follow their orders, which may be on a node that comes later."""


async def show(config: Config, console: Console) -> None:
    """How many orders are hot, and how many archived."""
    async with open_nodes(config) as nodes:
        router = nodes.router
        table = Table("node", title="Orders", title_justify="left")
        for column in ("hot", "archived"):
            table.add_column(column, justify="right")
        for node in nodes.all:
            row = await node.fetchrow(QUERIES["counts"], router.shards_on("customer", node))
            assert row is not None
            table.add_row(node.name, f"{row['hot']:,}", f"{row['archived']:,}")
    console.print(table)
    console.print(f"Archived {config.archive.after_months} months after they ended.", highlight=False)


async def archive_now(config: Config, console: Console) -> bool:
    """Archive what may go, at full speed. False: some shards failed, or another process is at it."""
    done, is_whole = Archived(), True
    async with open_nodes(config) as nodes:
        router = nodes.router
        cases, payments = CaseStore(router), PaymentStore(router)

        async def unsettled(order_ids: Sequence[int]) -> set[int]:
            return await cases.unsettled(order_ids) | await payments.unsettled(order_ids)

        archiver = Archiver(router, utc_now, unsettled, config.archive.age)
        for _ in range(ROUNDS):
            done.waiting = done.no_history = 0
            for node in nodes.all:
                found = await archiver.lead(node)
                if found is None:
                    console.print(f"Another process archives node {node.name}.", highlight=False)
                    is_whole = False
                else:
                    done.add(found)
        await payments.close()
    told = f"{done.orders:,} orders and {done.copies:,} copies archived."
    if done.waiting:
        told += f" {done.waiting:,} stay: a case is open, or money is on its way."
    if done.no_history:
        told += f" {done.no_history:,} stay: the log has not all of their history."
    if done.failures:
        told += f" Shards that failed: {', '.join(sorted(done.failures))}."
    console.print(told, highlight=False)
    return is_whole and not done.failures
