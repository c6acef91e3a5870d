"""Payments match their orders, and what the provider says has moved."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tiffin.audit.desk import QUERIES, Desk, shard_name
from tiffin.services.payments.audit import PaidOrder, PaymentRow, cash_differences, differences, own_faults
from tiffin.services.payments.payment import order_id_of
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

CONSUMERS = ("payments",)
STATING = "sandbox"
"""Whose statement it is: it says nothing of other providers' payments, nor of those out of balances."""
_PAYMENTS = load_queries("tiffin.services.payments")
_DIMENSION: Dimension = "customer"


class StatementLine(msgspec.Struct, frozen=True):
    """Money that the provider says has moved. `key` is our payment's id; a refund's amount is negative."""

    kind: Literal["charge", "refund"]
    key: str
    amount: int
    currency: str


Statement = Callable[[], Sequence[StatementLine]]
"""Everything the provider says has moved, as of now."""

Lines = Mapping[int | None, Mapping[str, Sequence[StatementLine]]]
"""A statement by shard and payment; None: of no order of ours."""


def lines_by_shard(statement: Statement) -> Lines:
    """What the provider says now."""
    lines: defaultdict[int | None, defaultdict[str, list[StatementLine]]]
    lines = defaultdict(lambda: defaultdict(list))
    for line in statement():
        order_id = order_id_of(line.key)
        lines[None if order_id is None else customer_shard(order_id)][line.key].append(line)
    return lines


async def check_payments(desk: Desk, statement: Statement | None) -> None:
    """Shard by shard; in memory is one shard's, and the statement. What seems wrong is looked at again with
    the statement of that moment."""
    lines: Lines = lines_by_shard(statement) if statement else {}
    for key in lines.get(None, ()):
        desk.report.add("payments", "provider", f"charge {key}", "is of no payment of ours")
    shards = desk.shards(_DIMENSION)
    for done, (node, shard) in enumerate(shards):
        desk.tell("payments", done, len(shards))
        said = lines.get(shard, {}) if statement else None
        payments, faults = await _faults(desk, node, shard, said)
        desk.report.checked["payments"] += payments
        if faults:
            await desk.catch_up(CONSUMERS)
        while faults:  # what the provider still has to do takes longer than what consumers do
            said = lines_by_shard(statement).get(shard, {}) if statement else None
            still = set((await _faults(desk, node, shard, said))[1])
            faults = [fault for fault in faults if fault in still]
            if not await desk.pause():
                break
        for subject, what in faults:
            desk.add("payments", node, shard_name(_DIMENSION, shard), subject, what)
    desk.tell("payments", 1, 1)


async def _faults(
    desk: Desk, node: Node, shard: int, said: Mapping[str, Sequence[StatementLine]] | None
) -> tuple[int, list[tuple[str, str]]]:
    """How many payments the shard has, and what is wrong."""
    async with desk.snapshot(node) as connection:
        orders = {
            row["id"]: PaidOrder(
                row["state"], row["payment_method"], row["total"], row["currency"], row["gives_back"]
            )
            for row in await connection.fetch(QUERIES["payable"], shard)
        }
        rows = await connection.fetch(_PAYMENTS["audit_payments"], [shard])
        cash = await connection.fetch(_PAYMENTS["audit_cash"], [shard])
        sums = await connection.fetch(_PAYMENTS["audit_sums"], shard)
    of_order: defaultdict[int, list[PaymentRow]] = defaultdict(list)
    faults: list[tuple[str, str]] = []
    for row in rows:
        payment = PaymentRow(*list(row.values())[1:])
        if payment.method == "cash":
            faults += [(f"payment {payment.id}", what) for what in own_faults(payment)]
        else:
            of_order[row["order_id"]].append(payment)
    for order_id, order in orders.items():
        if order.payment_method == "online":
            of_order.setdefault(order_id, [])
    faults += [
        (f"order {order_id}", what)
        for order_id, payments in of_order.items()
        for what in differences(orders.get(order_id), payments)
    ]
    faults += [(row["subject"], row["what"]) for row in sums]
    faults += _cash_faults(orders, cash)
    if said is not None:
        known = {
            payment.id: payment
            for payments in of_order.values()
            for payment in payments
            if payment.provider == STATING
        }
        faults += [
            (f"payment {key}", what)
            for key in known.keys() | said.keys()
            for what in statement_faults(known.get(key), said.get(key, ()))
        ]
    return len(rows), faults


def _cash_faults(orders: Mapping[int, PaidOrder], rows: Sequence[Any]) -> list[tuple[str, str]]:
    collected: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        collected[row["order_id"]].append((row["amount"], row["currency"]))
    return [
        (f"order {order_id}", what)
        for order_id in orders.keys() | collected.keys()
        for what in cash_differences(orders.get(order_id), collected[order_id])
    ]


def statement_faults(payment: PaymentRow | None, lines: Sequence[StatementLine]) -> list[str]:
    """What is wrong between a payment (None: there is none) and the provider's lines about it. No I/O."""
    if payment is None:
        return [
            f"the provider has a {line.kind} of {line.amount} {line.currency}, we have none" for line in lines
        ]
    charged = sum(line.amount for line in lines if line.kind == "charge")
    back = payment.refunded - payment.to_balance
    given_back = -sum(line.amount for line in lines if line.kind == "refund")
    may_have = payment.amount if payment.state in ("pending", "capturing", "voiding") else payment.captured
    agrees = (
        all(line.currency == payment.currency for line in lines)
        and charged in (payment.captured, may_have)
        and back <= given_back <= back + payment.refunding
    )
    if agrees:
        return []
    moves = ", ".join(f"{line.amount} {line.currency}" for line in lines) or "nothing"
    return [f"is {payment.state} with {payment.amount} {payment.currency}; the provider has moved {moves}"]
