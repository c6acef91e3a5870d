"""How an order stands in every book, in a form in which two orders that went the same way are equal."""

from typing import Any

from crashes.world import COURIER, World
from tiffin.services.payments.rows import payment_of
from tiffin.services.reverse.case import details_of
from tiffin.services.reverse.store import case_of
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.slots import shard_of

_OPEN = ("pending", "capturing", "voiding")


async def outcome(w: World, after: int) -> dict[str, Any]:
    """The order in all books; the provider's statement from a line on. JSON."""
    number, shard = int(w.order_id), customer_shard(int(w.order_id))
    payments = [
        payment_of(row)
        for row in await w.node.fetch(
            "SELECT * FROM payments.payments WHERE shard = $1 AND order_id = $2", shard, number
        )
    ]
    refunds = await w.payments.settlement.store.refunds_of_order(number)
    cases = await w.cases.of_order(number)
    entries = await w.books.entries(shard, w.order_id)
    parties = [restaurant_shard(number), shard_of(COURIER)]
    dues = await w.node.fetch(
        "SELECT * FROM ledger.dues WHERE shard IN ($1, $2) AND subject = $3", *parties, w.order_id
    )
    copies = await w.node.fetch(
        "SELECT * FROM reverse.cases_by_restaurant WHERE shard = $1 AND order_id = $2", parties[0], number
    )
    return {
        "order": (await w.order()).state,
        "statement": sorted(line[1:] for line in await w.statement(after)),
        "payments": sorted(
            [each.method, each.state, each.amount, each.captured, each.refunding, each.refunded]
            for each in payments
        ),
        "refunds": sorted([each.part, each.amount, each.state] for each in refunds),
        "entries": sorted([entry.fact.partition(":")[0], sorted(entry.postings)] for entry in entries),
        "dues": sorted([row["party"], row["amount"], row["settlement"] is not None] for row in dues),
        "cases": sorted(
            [
                case.kind, case.state, case.claimed, case.released,
                details_of(case).outcome.refund, details_of(case).outcome.back_to,
            ]
            for case in cases
        ),
        "copies": sorted([row["kind"], row["state"]] for row in copies),
        "histories without gaps": [
            await _has_no_gap(w, each.id, each.version) for each in (*payments, *map(case_of, copies))
        ],
    }  # fmt: skip


async def unaccounted(w: World, after: int) -> list[str]:
    """What of the order's money nobody can say where it is, once the platform has had time to find out."""
    wrong: list[str] = []
    moved: dict[str, int] = {}
    for payment_id, _, amount in await w.statement(after):
        moved[payment_id] = moved.get(payment_id, 0) + amount
    back: dict[str, int] = {}
    for part in await w.payments.settlement.store.refunds_of_order(int(w.order_id)):
        if part.state == "succeeded" and not part.to_balance:
            back[part.payment_id] = back.get(part.payment_id, 0) + part.amount
    for payment in await w.payments.settlement.store.of_order(int(w.order_id)):
        has, through = moved.pop(payment.id, 0), payment.method == "card"
        if has != (payment.captured - back.get(payment.id, 0) if through else 0):
            wrong.append(f"{payment.id} is {payment.state}; the provider has moved {has}")
        if payment.state in _OPEN or payment.refunding:
            wrong.append(f"{payment.id} is still {payment.state}, with {payment.refunding} on its way")
    return wrong + [
        f"{payment_id} is on no record; {amount} were moved" for payment_id, amount in moved.items()
    ]


async def missing(w: World, acknowledged: list[list[str]]) -> list[str]:
    """What somebody was told of that is not there."""
    wrong: list[str] = []
    for what, of in acknowledged:
        match what:
            case "payment":
                found: object = await w.payments.settlement.store.find(of)
            case "refund":
                found = await w.payments.settlement.store.refund_parts(of)
            case "case":
                found = await w.cases.get(of)
            case _:
                settlement = await w.settlements.get(of)
                found = settlement and settlement.paid_at
        if not found:
            wrong.append(f"{what} {of} was acknowledged, and is not there")
    return wrong


async def _has_no_gap(w: World, key: str, version: int) -> bool:
    rows = await w.node.fetch("SELECT version FROM log.events WHERE key = $1 ORDER BY version", key)
    return [row["version"] for row in rows] == list(range(1, version + 1))
