"""`tiffin ledger`, `tiffin reconcile`: the books, for people."""

from collections import defaultdict

import aiohttp
from rich.console import Console
from rich.table import Table

from tiffin.audit import StatementLine
from tiffin.audit.reconciliation import reconcile_all
from tiffin.cli.config import Config, ConfigError
from tiffin.cli.nodes import open_nodes
from tiffin.cli.sandbox import sandbox_statement
from tiffin.primitives.money import Money
from tiffin.services.payments.ledger.entry import Entry
from tiffin.services.payments.ledger.reconciliation import WHAT_TO_DO
from tiffin.services.payments.ledger.store import LedgerStore
from tiffin.services.payments.stripe_statement import stripe_statement
from tiffin.services.payments.through_stripe import stripe_client
from tiffin.sharding import order_id as ids
from tiffin.sharding.router import Router


async def ledger(config: Config, order_id: str, console: Console) -> bool:
    """An order's entries, and what they leave with whom. False if there are none."""
    number = int(order_id) if order_id.isdecimal() and len(order_id) < 20 else 0
    async with open_nodes(config) as nodes:
        store = LedgerStore(await Router.open(nodes.all))
        entries = await store.entries(ids.customer_shard(number), str(number)) if ids.is_valid(number) else []
    if not entries:
        console.print(f"The ledger has nothing of an order {order_id}.", style="red", highlight=False)
        return False
    console.print(_entries_table(order_id, entries))
    console.print(_balances_table(entries))
    return True


async def reconcile(config: Config, console: Console) -> bool:
    """Payments, ledger and the provider's statement side by side. True if they agree."""
    statement = await _statement(config)
    async with open_nodes(config) as nodes:
        found = await reconcile_all(await Router.open(nodes.all), statement, config.payments.provider)
    if statement is None:
        console.print("There is no statement here: payments and ledger only.", highlight=False)
    if not found:
        said = f", {len(statement):,} lines of the provider's statement" if statement is not None else ""
        console.print(f"All books agree: the orders' payments, the ledger{said}.", highlight=False)
        return True
    table = Table("payment", "difference", "what", "what to do", title=f"{len(found):,} differences")
    for each in found:
        table.add_row(each.payment_id, each.kind.replace("_", " "), each.what, WHAT_TO_DO[each.fix])
    console.print(table)
    return False


async def _statement(config: Config) -> list[StatementLine] | None:
    """What the configured provider says has moved; None if it says nothing here."""
    payments = config.payments
    if payments.provider == "sandbox":
        return sandbox_statement(config)
    if not payments.stripe_key:
        raise ConfigError("[payments] provider is stripe: it needs stripe_key")
    async with aiohttp.ClientSession() as session:
        client = stripe_client(session, payments.stripe_key, payments.stripe_url)
        return [StatementLine(*line) for line in await stripe_statement(client)]


def _entries_table(order_id: str, entries: list[Entry]) -> Table:
    table = Table("at", "fact", title=f"Ledger of order {order_id}", title_justify="left")
    table.add_column("account", no_wrap=True)
    table.add_column("moves", justify="right", no_wrap=True)
    for entry in entries:
        version = f", fees {entry.policy}" if entry.policy else ""
        first = (f"{entry.at:%m-%d %H:%M}", entry.fact.partition(":")[0] + version)
        for place, posting in enumerate(entry.postings):
            at, fact = ("", "") if place else first
            table.add_row(at, fact, posting.account, Money(posting.amount, entry.currency).format())
        table.add_section()
    return table


def _balances_table(entries: list[Entry]) -> Table:
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        for account, amount in entry.postings:
            sums[account, entry.currency] += amount
    title = "What is left of it: positive is owed to the account's holder"
    table = Table("account", title=title, title_justify="left")
    table.add_column("balance", justify="right", no_wrap=True)
    for (account, currency), amount in sorted(sums.items()):
        table.add_row(account, Money(amount, currency).format(), style=None if amount else "dim")
    return table
