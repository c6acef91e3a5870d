"""Money: every order's entries are those its facts make, every sum that is kept is the sum of its parts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from tiffin.audit.desk import Desk, shard_name
from tiffin.audit.order_money import MoneyOrder, order_faults
from tiffin.services.orders.order import OrderRow, terms_of
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.entry import Entry
from tiffin.services.payments.ledger.facts import settlement_subject
from tiffin.services.payments.ledger.policies import read_policies
from tiffin.services.payments.ledger.policy import Policies
from tiffin.services.payments.ledger.reconciliation import Ours
from tiffin.services.payments.ledger.store import entry_of
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

CONSUMERS = ("payments", "ledger")
_MONEY = load_queries("tiffin.audit", "money.sql")
_PAYMENTS = load_queries("tiffin.services.payments")

Fault = tuple[Node, str, str, str]
"""Node, shard, subject, what."""


class Sum(NamedTuple):
    """What a party has in one of the books."""

    amount: int
    lines: int
    mark: str
    """Of every line: equal only if each of them is."""


async def check_money(desk: Desk) -> None:
    """Orders and balances shard by shard; then the parties, whose lines come from all over."""
    policies = await read_policies(desk.router.directory)
    shards = desk.shards("customer")
    for done, (node, shard) in enumerate(shards):
        desk.tell("money", done, len(shards) + 1)
        entries, faults = await _shard_faults(desk, node, shard, policies)
        desk.report.checked["entries"] += entries
        if faults:
            await desk.catch_up(CONSUMERS)
        while faults:
            still = set((await _shard_faults(desk, node, shard, policies))[1])
            faults = [fault for fault in faults if fault in still]
            if not await desk.pause():
                break
        for subject, what in faults:
            desk.add("money", node, shard_name("customer", shard), subject, what)
    await _check_parties(desk)
    desk.tell("money", 1, 1)


async def _shard_faults(
    desk: Desk,
    node: Node,
    shard: int,
    policies: Policies,
) -> tuple[int, list[tuple[str, str]]]:
    """How many entries the shard has, and what is wrong."""
    async with desk.snapshot(node) as connection:
        orders = [OrderRow(*row) for row in await connection.fetch(_MONEY["orders_money"], shard)]
        payments = await connection.fetch(_PAYMENTS["audit_payments"], [shard])
        entries = [entry_of(row) for row in await connection.fetch(_MONEY["entries_of_shard"], shard)]
        apart = await connection.fetch(_MONEY["balances_apart"], shard)
        cases = {
            row["order_id"]: frozenset[str](row["cases"])
            for row in await connection.fetch(_MONEY["cases_of_orders"], shard)
        }
    faults = [(row["account"], _apart(row)) for row in apart]
    of_order: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.subject.isdecimal():  # others are about settlements, couriers' cash, providers
            of_order[entry.subject].append(entry)
    paid: defaultdict[str, dict[str, Ours]] = defaultdict(dict)
    for row in payments:
        paid[str(row["order_id"])][row["id"]] = Ours(*(row[name] for name in Ours._fields))
    known = {str(row.id): row for row in orders}
    for subject in known.keys() | of_order.keys():
        row = known.get(subject)
        try:
            order = None if row is None else _money_order(row, cases.get(subject, frozenset()))
        except msgspec.MsgspecError:
            faults.append((f"order {subject}", "its details cannot be read"))
            continue
        found = order_faults(order, paid[subject], of_order[subject], policies)
        faults += [(f"order {subject}", what) for what in found]
    return len(entries), faults


def _money_order(row: OrderRow, cases: frozenset[str]) -> MoneyOrder:
    return MoneyOrder(terms_of(row), row.state, row.courier_id, cases)


def _apart(row: Any) -> str:
    return (
        f"has {row['kept'] or 0} {row['currency']} of {row['postings'] or 0} postings,"
        f" but there are {row['entries'] or 0} of {row['entered'] or 0}"
    )


async def _check_parties(desk: Desk) -> None:
    """What entries owe restaurants and couriers is in their dues line by line; what has been settled adds up.

    Only what was before the audit began: the two are not read at the same moment.
    """
    faults = await _party_faults(desk)
    if faults:
        await desk.catch_up(CONSUMERS)
    while faults:
        still = set(await _party_faults(desk))
        faults = [fault for fault in faults if fault in still]
        if not await desk.pause():
            break
    for node, where, subject, what in faults:
        desk.add("money", node, where, subject, what)


async def _party_faults(desk: Desk) -> list[Fault]:
    faults = await _settlement_faults(desk)
    entered: defaultdict[tuple[str, str], list[Sum]] = defaultdict(list)
    due: dict[tuple[str, str], Sum] = {}
    for node in desk.router.nodes:
        connection = desk.connections[node.name]
        shards = desk.router.shards_on("restaurant", node)
        for row in await connection.fetch(_MONEY["parties_due"], shards, desk.now):
            party = (row["party"], row["currency"])
            home = shard_of(accounts.holder(row["party"]))
            if row["shard"] != home:
                what = f"its dues are in restaurant {row['shard']:03}, and belong to {home:03}"
                faults.append((node, shard_name("restaurant", row["shard"]), row["party"], what))
            due[party] = Sum(row["amount"], row["lines"], row["mark"])
        shards = desk.router.shards_on("customer", node)
        for row in await connection.fetch(_MONEY["parties_entered"], shards, desk.now):
            entered[row["party"], row["currency"]].append(Sum(row["amount"], row["lines"], row["mark"]))
    for party, currency in sorted(entered.keys() | due.keys()):
        wanted, has = _total(entered[party, currency]), due.get((party, currency), Sum(0, 0, "0"))
        if wanted != has:
            shard = shard_of(accounts.holder(party))
            what = (
                f"is due {has.amount} {currency} by {has.lines} lines, the ledger has {wanted.amount}"
                f" by {wanted.lines}"
            )
            faults.append(
                (desk.router.node("restaurant", shard), shard_name("restaurant", shard), party, what)
            )
    desk.report.checked["parties"] = len({party for party, _ in due})
    return faults


async def _settlement_faults(desk: Desk) -> list[Fault]:
    """Each settlement is the sum of its lines, and has been entered; its payout, too, once it was made."""
    faults: list[Fault] = []
    entered: dict[tuple[str, str], tuple[int, str]] = {}
    for node in desk.router.nodes:
        shards = desk.router.shards_on("customer", node)
        for row in await desk.connections[node.name].fetch(_MONEY["settlements_entered"], shards):
            entered[row["subject"], row["fact"]] = (row["amount"], row["currency"])
    for node in desk.router.nodes:
        connection, shards = desk.connections[node.name], desk.router.shards_on("restaurant", node)
        for row in await connection.fetch(_MONEY["settlements_apart"], shards):
            what = (
                f"is of {row['amount'] or 0} by {row['lines'] or 0} lines; there are {row['counted'] or 0} of"
                f" {row['summed'] or 0}, and {row['left_over'] or 0} is left of them"
            )
            faults.append((node, "settlements", f"settlement {row['id']}", what))
        for row in await connection.fetch(_MONEY["settlements_made"], shards, desk.now):
            subject, sum_ = settlement_subject(row["id"]), (row["amount"], row["currency"])
            is_paid = row["paid_at"] is not None and row["paid_at"] <= desk.now
            for fact, happened in (("settled", True), ("paid_out", is_paid)):
                has = entered.get((subject, fact))
                if happened and has != sum_:
                    stands = f"{has[0]} {has[1]}" if has else "nothing"
                    what = f"{fact}, {sum_[0]} {sum_[1]}, is entered as {stands}"
                    faults.append((node, "settlements", f"settlement {row['id']}", what))
    return faults


def _total(sums: Sequence[Sum]) -> Sum:
    mark = sum(int(each.mark) for each in sums)
    return Sum(sum(each.amount for each in sums), sum(each.lines for each in sums), str(mark))
