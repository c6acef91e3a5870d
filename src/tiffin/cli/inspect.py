"""`tiffin audit`, `order`, `shards`, `migrate`: what the owner of the databases may do."""

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from tiffin.audit.audit import audit as run_audit
from tiffin.audit.report import CHECKS, Check, Report
from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.nodes import open_nodes
from tiffin.cli.sandbox import sandbox_statement
from tiffin.primitives.money import Money
from tiffin.rpc import contracts as c
from tiffin.services.orders.order import details_of, to_contract
from tiffin.services.orders.store import OrderStore
from tiffin.sharding import order_id as ids
from tiffin.sharding.router import Router
from tiffin.sharding.slots import DIMENSIONS, SHARDS

READ_TIMEOUT_S = 10.0


async def audit(config: Config, console: Console) -> bool:
    """Prove that everything fits together. True if it does."""
    async with open_nodes(config) as nodes:
        router = await Router.open(nodes.all)
        with Progress(console=console, transient=True) as progress:
            bars: dict[str, TaskID] = {}

            def show(check: Check, done: int, total: int) -> None:
                if check not in bars:
                    bars[check] = progress.add_task(check)
                progress.update(bars[check], completed=done, total=total)

            has_statement = sandbox_statement(config) is not None
            statement = (lambda: sandbox_statement(config) or []) if has_statement else None
            report = await run_audit(router, utc_now, show, statement=statement)
    console.print(_audit_table(report))
    looked_at = ", ".join(f"{count:,} {what}" for what, count in report.checked.items())
    console.print(f"Looked at {looked_at}.", highlight=False)
    if not report.is_clean:
        console.print(_differences_table(report))
    return report.is_clean


async def migrate(config: Config, new_passwords: bool, console: Console) -> None:
    """Make the databases ready for services that enter with roles of their own."""
    async with open_nodes(config, new_passwords=new_passwords) as nodes:
        for node in nodes.all:
            console.print(f"node {node.name} is up to date", highlight=False)


async def order(config: Config, order_id: str, console: Console) -> bool:
    """One order and its timeline. False if there is none."""
    async with open_nodes(config) as nodes:
        router = await Router.open(nodes.all)
        store = OrderStore(router)
        number = int(order_id) if order_id.isdecimal() else 0
        row = await store.get(number, READ_TIMEOUT_S) if ids.is_valid(number) else None
        if row is None:
            console.print(f"There is no order {order_id}.", style="red", highlight=False)
            return False
        events = await store.history(number)
        await store.close()
        places = {
            "customer": (ids.customer_shard(number), router.node("customer", ids.customer_shard(number))),
            "restaurant": (
                ids.restaurant_shard(number),
                router.node("restaurant", ids.restaurant_shard(number)),
            ),
        }
    found = to_contract(row, details_of(row))
    console.print(_order_table(found))
    for dimension, (shard, node) in places.items():
        console.print(f"{dimension:>10} shard {shard} on node {node.name}", highlight=False)
    console.print(_timeline(events))
    return True


async def shards(config: Config, console: Console) -> None:
    """Every node, its shards and its orders."""
    async with open_nodes(config) as nodes:
        router = await Router.open(nodes.all)
        table = Table(
            "node", "dimension", "shards", title=f"Topology, epoch {router.epoch}", title_justify="left"
        )
        table.add_column("orders", justify="right")
        for node in nodes.all:
            for dimension in DIMENSIONS:
                held = router.shards_on(dimension, node)
                copy = "orders" if dimension == "customer" else "orders_by_restaurant"
                counted = await node.fetchrow(f"SELECT count(*) FROM orders.{copy}")  # noqa: S608 - two constants
                assert counted is not None
                table.add_row(
                    node.name, dimension, f"{_ranges(held)} ({len(held)} of {SHARDS})", f"{counted[0]:,}"
                )
    console.print(table)


def _audit_table(report: Report) -> Table:
    title = f"Audit: {report.totals.total():,} differences"
    table = Table("check", title=title, title_justify="left")
    table.add_column("differences", justify="right")
    for check in CHECKS:
        table.add_row(check, f"{report.totals[check]:,}", style="red" if report.totals[check] else None)
    return table


def _differences_table(report: Report) -> Table:
    table = Table("check", "where", "what", "difference", title="Differences", title_justify="left")
    for found in report.differences:
        table.add_row(found.check, found.where, found.subject, found.what)
    return table


def _order_table(found: c.Order) -> Table:
    table = Table(title=f"Order {found.id}", title_justify="left", show_header=False)
    table.add_row("state", f"{found.state} (version {found.version})")
    table.add_row("customer", found.customer_id)
    table.add_row("restaurant", found.restaurant_id)
    for line in found.lines:
        extras = f" with {', '.join(line.options)}" if line.options else ""
        table.add_row(f"{line.quantity} x", f"{line.name}{extras}  {_money(line.total, found)}")
    table.add_row("delivery", _money(found.delivery_fee.amount, found))
    table.add_row("total", f"{_money(found.total.amount, found)}, {found.payment_method}")
    table.add_row("to", f"{found.address.street}, {found.address.city}")
    for name in ("scheduled_for", "courier_id", "note", "reason", "due_at"):
        if value := getattr(found, name):
            table.add_row(name.replace("_", " "), str(value))
    return table


def _timeline(events: list[c.OrderEvent]) -> Table:
    table = Table(title="Timeline", title_justify="left")
    for column in ("", "at"):
        table.add_column(column, no_wrap=True)
    for column in ("event", "state", "by", "why"):
        table.add_column(column, overflow="fold")
    for event in events:
        what, at = event.type.removeprefix("order."), event.at[:19].replace("T", " ")
        by = f"{event.actor.role} {event.actor.id}"
        table.add_row(str(event.version), at, what, event.to_state, by, event.reason or "")
    return table


def _money(amount: int, found: c.Order) -> str:
    return Money(amount, found.total.currency).format()


def _ranges(numbers: list[int]) -> str:
    """`0-59, 61`."""
    parts: list[str] = []
    for number in sorted(numbers):
        if parts and int(parts[-1].split("-")[-1]) == number - 1:
            parts[-1] = f"{parts[-1].split('-')[0]}-{number}"
        else:
            parts.append(str(number))
    return ", ".join(parts) or "none"
