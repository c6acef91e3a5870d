"""Cases: each has moved what it quoted, together they never give more than was paid, none is forgotten."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tiffin.audit.desk import Desk, shard_name
from tiffin.audit.order_money import left_with
from tiffin.services.payments.ledger.entry import REVERSAL, Entry
from tiffin.services.payments.ledger.store import entry_of
from tiffin.services.reverse.case import Case, details_of
from tiffin.services.reverse.store import case_of
from tiffin.sharding.order_id import restaurant_shard
from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

CONSUMERS = ("payments", "ledger", "reverse")
_CASES = load_queries("tiffin.audit", "cases.sql")
_REVERSE = load_queries("tiffin.services.reverse")
_DONE = frozenset(("refunded", "closed"))


@dataclass
class OrderOfCases:
    """An order that has cases, and all that is known of its money."""

    state: str
    customer_id: str
    claimed: int
    paid: int
    cases: list[Case] = field(default_factory=list[Case])
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    is_moving: bool = False
    """A payment of it is under way."""


async def check_cases(desk: Desk) -> None:
    """Shard by shard; what seems wrong is looked at again while there is patience."""
    shards = desk.shards("customer")
    for done, (node, shard) in enumerate(shards):
        desk.tell("cases", done, len(shards))
        cases, faults = await _shard_faults(desk, node, shard)
        desk.report.checked["cases"] += cases
        if faults:
            await desk.catch_up(CONSUMERS)
        while faults:
            still = set((await _shard_faults(desk, node, shard))[1])
            faults = [fault for fault in faults if fault in still]
            if not await desk.pause():
                break
        for subject, what in faults:
            desk.add("cases", node, shard_name("customer", shard), subject, what)
    desk.tell("cases", 1, 1)


async def _shard_faults(desk: Desk, node: Node, shard: int) -> tuple[int, list[tuple[str, str]]]:
    async with desk.snapshot(node) as connection:
        cases = [case_of(row) for row in await connection.fetch(_REVERSE["audit_cases"], shard)]
        due = {row["id"]: row for row in await connection.fetch(_CASES["due_of_shard"], shard)}
        orders = await _orders(connection, shard, cases)
    faults = [
        (f"case {case.id}", f"is due at {case.due_at}, which the worker does not know")
        for case in cases
        if (case.due_at and (case.state, case.due_at))
        != ((due[case.id]["state"], due[case.id]["due_at"]) if case.id in due else None)
    ]
    faults += [
        (f"case {id_}", "is due, and there is none") for id_ in due.keys() - {case.id for case in cases}
    ]
    for order_id, order in orders.items():
        faults += [(f"order {order_id}", what) for what in order_faults(order)]
    faults += await _copy_faults(desk, cases)
    return len(cases), faults


async def _orders(connection: Connection, shard: int, cases: Sequence[Case]) -> dict[str, OrderOfCases]:
    numbers = sorted({case.order_id for case in cases})
    if not numbers:
        return {}
    sums = {str(row["order_id"]): row for row in await connection.fetch(_REVERSE["audit_orders"], shard)}
    orders = {
        row["id"]: OrderOfCases(
            row["state"], row["customer_id"], sums[row["id"]]["claimed"], sums[row["id"]]["paid"]
        )
        for row in await connection.fetch(_CASES["orders_of_cases"], shard, numbers)
    }
    for case in cases:
        orders[str(case.order_id)].cases.append(case)
    subjects = [str(number) for number in numbers]
    for row in await connection.fetch(_CASES["entries_of_orders"], shard, subjects):
        entry = entry_of(row)
        orders[entry.subject].entries[entry.fact] = entry
    for row in await connection.fetch(_CASES["payments_under_way"], shard, numbers):
        orders[row["order_id"]].is_moving = True
    return orders


def order_faults(order: OrderOfCases) -> list[str]:
    """What is wrong with an order's cases. No I/O."""
    claimed = sum(case.claimed for case in order.cases if not case.released)
    refunds = sum(details_of(case).outcome.refund for case in order.cases if not case.released)
    faults: list[str] = []
    if claimed != order.claimed or claimed > order.paid or refunds > order.paid:
        faults.append(
            f"its cases claim {claimed} and give back {refunds}; {order.claimed} of {order.paid} is noted"
        )
    for case in order.cases:
        faults += _entry_faults(case, order.entries)
    if not faults:
        faults += _left_over(order)
    return faults


def _entry_faults(case: Case, entries: Mapping[str, Entry]) -> list[str]:
    """A case that is done has posted its preview, one that came to nothing has posted nothing."""
    fact = f"case:{case.id}"
    entry = entries.get(fact)
    wanted = dict(details_of(case).outcome.postings)
    if case.state in _DONE and not case.released:
        if wanted and entry is None:
            return [f"{fact} is {case.state} and has no entry"]
        if entry is not None and dict(entry.postings) != wanted:
            return [f"{fact} has posted other than it said"]
        return []
    may_have = case.state in ("refunding", "refund_failed") or REVERSAL + fact in entries
    return [f"{fact} is {case.state} and has an entry"] if entry is not None and not may_have else []


def _left_over(order: OrderOfCases) -> list[str]:
    """An order that has ended, at rest, leaves nothing with its customer: what goes back has gone on, to a
    card or to a balance."""
    open_ = [case for case in order.cases if case.state not in _DONE and not case.released]
    if order.state not in ("completed", "cancelled") or order.is_moving or open_:
        return []
    left = left_with(order.customer_id, order.entries.values())
    return [f"leaves {left} with its customer"] if left else []


async def _copy_faults(desk: Desk, cases: Sequence[Case]) -> list[tuple[str, str]]:
    by_node: defaultdict[Node, set[int]] = defaultdict(set)
    for case in cases:
        shard = restaurant_shard(case.order_id)
        by_node[desk.router.node("restaurant", shard)].add(shard)
    copies: dict[str, tuple[int, str]] = {}
    for node, shards in by_node.items():
        for row in await desk.connections[node.name].fetch(_CASES["copies_of_cases"], sorted(shards)):
            copies[row["id"]] = (row["version"], row["state"])
    return [
        (f"case {case.id}", "is not so in its restaurant's copy")
        for case in cases
        if copies.get(case.id, (0, "")) < (case.version, "")
        or (copies[case.id][0] == case.version and copies[case.id][1] != case.state)
    ]
