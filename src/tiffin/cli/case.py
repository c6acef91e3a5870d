"""`tiffin case`: a case, what it does, and how it came to it, for people."""

from rich.console import Console
from rich.table import Table

from tiffin.cli.config import Config
from tiffin.cli.nodes import open_nodes
from tiffin.primitives.money import Money
from tiffin.rpc import contracts as c
from tiffin.services.reverse.case import to_contract
from tiffin.services.reverse.store import CaseStore
from tiffin.sharding.router import Router


async def case(config: Config, case_id: str, console: Console) -> bool:
    """One case. False if there is none."""
    async with open_nodes(config) as nodes:
        store = CaseStore(await Router.open(nodes.all))
        row = await store.get(case_id)
        history = await store.history(case_id)
    if row is None:
        console.print(f"There is no case {case_id}.", style="red", highlight=False)
        return False
    found = to_contract(row, "operator")
    console.print(_case_table(found))
    console.print(_outcome_table(found))
    for said in found.evidence or ():
        pictures = f"  pictures: {', '.join(said.pictures)}" if said.pictures else ""
        line = f"{said.at[:19]} {said.role}: {said.note or ''}{pictures}"
        console.print(line, highlight=False)
    console.print(_timeline(history))
    return True


def _case_table(found: c.Case) -> Table:
    table = Table(title=f"Case {found.id}", title_justify="left", show_header=False)
    table.add_row("kind", found.kind.replace("_", " "))
    table.add_row("state", f"{found.state} (version {found.version})")
    table.add_row("order", found.order_id)
    table.add_row("customer", found.customer_id)
    table.add_row("restaurant", found.restaurant_id)
    table.add_row("opened by", found.opened_by)
    for line in found.lines or ():
        table.add_row("takes", f"{line.quantity} of line {line.line}")
    table.add_row("refund", f"{_money(found.outcome.refund)}, to the customer's {found.outcome.back_to}")
    if found.outcome.ends_order:
        table.add_row("order", "is called off")
    table.add_row("rules", f"version {found.outcome.policy}")
    if found.due_at:
        table.add_row("due at", found.due_at[:19].replace("T", " "))
    return table


def _outcome_table(found: c.Case) -> Table:
    title = "What it moves in the ledger: below zero bears it"
    table = Table("account", title=title, title_justify="left")
    table.add_column("moves", justify="right", no_wrap=True)
    currency = found.outcome.refund.currency
    for posting in found.outcome.postings or ():
        table.add_row(posting.account, Money(posting.amount, currency).format())
    return table


def _timeline(events: list[c.CaseEvent]) -> Table:
    table = Table(title="Timeline", title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("at", no_wrap=True)
    for column in ("event", "state", "by"):
        table.add_column(column, overflow="fold")
    for event in events:
        what, at = event.type.removeprefix("case."), event.at[:19].replace("T", " ")
        by = f"{event.actor.role} {event.actor.id}"
        table.add_row(str(event.version), at, what, event.to_state, by)
    return table


def _money(money: c.Money) -> str:
    return Money(money.amount, money.currency).format()
