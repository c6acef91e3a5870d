"""The auditor finds money that went astray: each planted fault, and just that."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from integration.audit.town import Row, Town
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.sharding.slots import shard_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

RESTAURANT = 3100 * 8 // 10
"""What r0 earns of the order that is done: two soups, a stew, less a fifth."""


@dataclass(frozen=True)
class Planted:
    """SQL that goes behind the ledger's back ($1: shard, $2: order), and what the audit must say of it."""

    name: str
    order: str
    sql: str
    found: tuple[tuple[str, str], ...]
    """(subject, what)"""


def entry(of: str, changes: str) -> str:
    """An entry that stands is replaced by one that differs in some columns."""
    columns = {
        name: name
        for name in (
            "shard", "subject", "fact", "currency", "accounts", "amounts", "at", "trace", "policy",
            "entered_at",
        )
    }  # fmt: skip
    columns |= dict(pair.split("=", 1) for pair in changes.split(";"))
    return (
        "WITH gone AS (DELETE FROM ledger.entries WHERE shard = $1 AND subject = $2::bigint::text"
        f" AND fact LIKE '{of}%' RETURNING *) INSERT INTO ledger.entries ({', '.join(columns)})"
        f" SELECT {', '.join(columns.values())} FROM gone"
    )


PLANTED = [
    Planted(
        "a completed order was never entered", "done",
        "DELETE FROM ledger.entries WHERE shard = $1 AND subject = $2::bigint::text AND fact = 'completed'",
        (
            ("order {id}", "lacks the entry completed"),
            ("restaurant:r0", "is due 2480 COP by 1 lines, the ledger has 0 by 0"),
            ("courier:carlos", "is due 240 COP by 1 lines, the ledger has 0 by 0"),
            ("customer:c0", "has 0 COP of 2 postings, but there are 1 of 3400"),
            ("platform:revenue:commission", "has 620 COP of 1 postings, but there are 0 of 0"),
            ("platform:revenue:delivery_fee", "has 300 COP of 1 postings, but there are 0 of 0"),
            ("platform:cost:courier_pay", "has -240 COP of 1 postings, but there are 0 of 0"),
        ),
    ),
    Planted(
        "the platform took a peso too much", "done",
        entry(
            "completed",
            "amounts=(SELECT array_agg(CASE account WHEN 'restaurant:r0' THEN amount - 1"
            " WHEN 'platform:revenue:commission' THEN amount + 1 ELSE amount END ORDER BY place)"
            " FROM unnest(accounts, amounts::bigint[]) WITH ORDINALITY AS p (account, amount, place))",
        ),
        (
            ("order {id}", "completed has 2479 to restaurant:r0, not 2480"),
            ("order {id}", "completed has 621 to platform:revenue:commission, not 620"),
            ("restaurant:r0", "is due 2480 COP by 1 lines, the ledger has 2479 by 1"),
            ("platform:revenue:commission", "has 620 COP of 1 postings, but there are 1 of 621"),
        ),
    ),
    Planted(
        "an order was charged by other fees than those it was placed under", "done",
        entry("completed", "policy=2"),
        (("order {id}", "completed is by version 2 of the fees, not by 1"),),
    ),
    Planted(
        "a charge was never entered", "paid",
        "DELETE FROM ledger.entries WHERE shard = $1 AND subject = $2::bigint::text",
        (
            (
                "order {id}",
                "payment {paid} is succeeded with 3400 captured, the ledger has 0:"
                " let the ledger hear of the payment's events again",
            ),
            ("customer:c3", "has 3400 COP of 1 postings, but there are 0 of 0"),
            ("provider:clearing:sandbox", "has -3400 COP of 1 postings, but there are 0 of 0"),
        ),
    ),
    Planted(
        "more was given back than was captured", "refunded",
        "INSERT INTO ledger.entries SELECT shard, subject, replace(fact, 'captured', 'refunded') || 'x',"
        " currency, accounts, ARRAY[-amounts[1], -amounts[2]], at, trace, policy, entered_at"
        " FROM ledger.entries"
        " WHERE shard = $1 AND subject = $2::bigint::text AND fact LIKE 'captured:%'",
        (
            ("order {id}", "payment {paid}x: 3400 refunded of 0 captured"),
            (
                "order {id}",
                "payment {paid}x is unknown with 0 refunded, the ledger has 3400:"
                " undo the entry by its opposite",
            ),
            ("customer:c4", "has 0 COP of 2 postings, but there are 3 of -3400"),
            ("provider:clearing:sandbox", "has 0 COP of 2 postings, but there are 3 of 3400"),
        ),
    ),
    Planted(
        "more was captured than was authorised", "paid",
        entry("captured", "amounts=ARRAY[amounts[1] - 5, amounts[2] + 5]"),
        (
            ("order {id}", "payment {paid}: 3405 captured of 3400 authorised"),
            (
                "order {id}",
                "payment {paid} is succeeded with 3400 captured, the ledger has 3405:"
                " undo the entry by its opposite",
            ),
            ("customer:c3", "has 3400 COP of 1 postings, but there are 1 of 3405"),
            ("provider:clearing:sandbox", "has -3400 COP of 1 postings, but there are 1 of -3405"),
        ),
    ),
    Planted(
        "a charge was entered for another customer", "refunded",
        entry("captured", "accounts=ARRAY[accounts[1], 'customer:c0']"),
        (
            ("order {id}", "is cancelled, and -3400 COP are left with its customer"),
            ("customer:c0", "has 0 COP of 0 postings, but there are 1 of 3400"),
            ("customer:c4", "has 0 COP of 2 postings, but there are 1 of -3400"),
        ),
    ),
    Planted(
        "an order was completed that never was", "cash",
        "INSERT INTO ledger.entries SELECT $1, $2::bigint::text, 'completed', currency, ARRAY['customer:c5',"
        " 'platform:revenue:commission'], ARRAY[-5, 5], at, trace, 1, entered_at FROM ledger.entries LIMIT 1",
        (
            ("order {id}", "has the entry completed, which nothing has made"),
            ("customer:c5", "has 0 COP of 0 postings, but there are 1 of -5"),
            ("platform:revenue:commission", "has 0 COP of 0 postings, but there are 1 of 5"),
        ),
    ),
    Planted(
        "an entry is of no order", "cash",
        "INSERT INTO ledger.entries SELECT $1, ($2::bigint + (1 << 20))::text, 'case:1', currency,"
        " ARRAY['a:b', 'a:c'], ARRAY[-5, 5], at, trace, 1, entered_at FROM ledger.entries LIMIT 1",
        (
            ("order {next}", "has the entry case:1, but there is no such order"),
            ("a:b", "has 0 COP of 0 postings, but there are 1 of -5"),
            ("a:c", "has 0 COP of 0 postings, but there are 1 of 5"),
        ),
    ),
    Planted(
        "a balance is not the sum of its postings", "paid",
        "UPDATE ledger.balances SET amount = amount + 1 WHERE shard = $1 AND account = 'customer:c3'"
        " AND $2::bigint > 0",
        (("customer:c3", "has 3401 COP of 1 postings, but there are 1 of 3400"),),
    ),
]  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name.replace(" ", "_"))
async def test_the_audit_finds_that(town: Town, planted: Planted) -> None:
    order = town.known[planted.order]
    names = await _names(order)
    async with order.truth.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        done = await connection.execute(planted.sql, order.shard, order.id)
    assert not done.endswith(" 0"), "the SQL of the test has spoilt nothing"
    wanted = {("money", subject.format(**names), what.format(**names)) for subject, what in planted.found}
    assert set(await town.faults(town.till.lines)) == wanted


async def _names(order: Row) -> dict[str, object]:
    row = await order.truth.fetchrow(
        "SELECT id FROM payments.payments WHERE order_id = $1 AND state <> 'declined'", order.id
    )
    return {"id": order.id, "paid": row and row["id"], "next": order.id + (1 << 20)}


LINES = {
    "a due is missing": (
        "DELETE FROM ledger.dues WHERE shard = $1 AND party = 'restaurant:r0'",
        {("restaurant:r0", "is due 0 COP by 0 lines, the ledger has 2480 by 1")},
    ),
    "a due is of another amount": (
        "UPDATE ledger.dues SET amount = amount + 1 WHERE shard = $1 AND party = 'restaurant:r0'",
        {("restaurant:r0", "is due 2481 COP by 1 lines, the ledger has 2480 by 1")},
    ),
    "a due is of another order": (
        "UPDATE ledger.dues SET subject = '1048576' WHERE shard = $1 AND party = 'restaurant:r0'",
        {("restaurant:r0", "is due 2480 COP by 1 lines, the ledger has 2480 by 1")},
    ),
    "a due was settled by nothing": (
        "UPDATE ledger.dues SET settlement = 'none' WHERE shard = $1 AND party = 'restaurant:r0'",
        {("settlement none", "is of 0 by 0 lines; there are 1 of 2480, and 2480 is left of them")},
    ),
}


@pytest.mark.parametrize("name", LINES)
async def test_the_audit_finds_that_in_a_partys_lines(town: Town, name: str) -> None:
    sql, wanted = LINES[name]
    shard = shard_of("r0")
    assert await town.router.node("restaurant", shard).execute(sql, shard) != "UPDATE 0"
    assert {found[1:] for found in await town.faults()} == wanted


PAID = {
    "a settlement is of more than its lines": (
        "UPDATE ledger.settlements SET amount = amount + 5 WHERE shard = $1 AND party = 'restaurant:r0'",
        {
            "is of 2485 by 1 lines; there are 1 of 2480, and 0 is left of them",
            "settled, 2485 COP, is entered as 2480 COP",
        },
    ),
    "a settlement has disappeared": (
        "DELETE FROM ledger.settlements WHERE shard = $1 AND party = 'restaurant:r0'",
        {"is of 0 by 0 lines; there are 1 of 2480, and 0 is left of them"},
    ),
    "a payout was never entered": (
        "UPDATE ledger.settlements SET paid_at = made_at, reference = 'bank'"
        " WHERE shard = $1 AND party = 'restaurant:r0'",
        {"paid_out, 2480 COP, is entered as nothing"},
    ),
}


@pytest.mark.parametrize("name", PAID)
async def test_the_audit_finds_that_in_settlements(town: Town, name: str) -> None:
    later = town.clock() + timedelta(days=8)
    made = await Settlements(town.router).settle_due(later, "run")
    assert {settlement.amount.amount for settlement in made} == {RESTAURANT, 240}
    await town.pump()
    town.clock.advance(9 * 24 * 3600)
    for settlement in made:
        await Settlements(town.router).pay_out(settlement.id, "bank", town.clock(), "request")
    await town.pump()
    try:
        assert [found for found in await town.faults() if found[0] == "money"] == []
        sql, wanted = PAID[name]
        shard = shard_of("r0")
        await town.router.node("restaurant", shard).execute(
            "UPDATE ledger.settlements SET paid_at = NULL, reference = NULL WHERE shard = $1", shard
        )
        for node in town.router.nodes:
            async with node.transaction() as connection:
                await connection.execute("SET LOCAL session_replication_role = replica")
                await connection.execute("DELETE FROM ledger.entries WHERE fact = 'paid_out'")
                await connection.execute(
                    "DELETE FROM ledger.balances WHERE account IN ('platform:bank', 'platform:settlements')"
                )
        assert await town.router.node("restaurant", shard).execute(sql, shard) != "UPDATE 0"
        found = {
            found[2]
            for found in await town.faults()
            if found[0] == "money" and found[1].startswith("settlement restaurant:r0")
        }
        assert found == wanted
    finally:
        town.clock.advance(-9 * 24 * 3600)
