"""What restaurants and couriers have earned is settled once it is due, and never twice."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from integration.payments.ledger_town import Books
from integration.payments.payments_bench import Bench
from manual_clock import ManualClock
from marketplace import EXTRA, FEE, PRICE, refusal_of
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.store import QUERIES
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of

SUBTOTAL = 2 * (PRICE + EXTRA)
EARNED = SUBTOTAL * 8 // 10
PAY = FEE * 8 // 10
DAY_S = 24 * 3600
WAITING = "SELECT pid FROM pg_stat_activity WHERE $1::int = ANY(pg_blocking_pids(pid))"


def new_run() -> str:
    return uuid4().hex[:12]


@pytest.fixture(params=["router", "four_router"])
def layout(request: pytest.FixtureRequest) -> Router:
    """One node, then four."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def books(
    layout: Router, clock: ManualClock, new_id: Callable[[str], str], bench: Bench
) -> AsyncIterator[Books]:
    """On one node, and again on four."""
    async with Books.open(layout, clock, new_id, bench.provider) as books:
        yield books


def amounts(settlements: list[c.Settlement]) -> dict[str, int]:
    return {settlement.party.partition(":")[0]: settlement.amount.amount for settlement in settlements}


async def owes(books: Books, order: c.Order, amount: int, fact: str = "case:1") -> None:
    """The restaurant bears something: so much goes back to the customer at its cost."""
    request = c.EnterEntry(
        order_id=order.id, fact=fact, currency="COP",
        postings=[
            c.Posting(account=accounts.restaurant(order.restaurant_id), amount=-amount),
            c.Posting(account=accounts.customer(order.customer_id), amount=amount),
        ],
    )  # fmt: skip
    await books.ledger.enter(books.as_("system"), request)
    await books.keep(order)


async def test_what_was_earned_is_settled_once_the_after_sale_window_is_over(books: Books) -> None:
    orders = [await books.order(), await books.order("cash")]
    await books.keep(*orders)
    assert await books.settle(after_days=6) == []
    made = await books.settle(after_days=1)
    assert amounts(made) == {"restaurant": 2 * EARNED, "courier": 2 * PAY}
    assert {settlement.lines for settlement in made} == {2}
    assert await books.settle() == []


async def test_a_settled_party_is_owed_nothing_and_the_payout_leaves_the_bank_once(books: Books) -> None:
    order = await books.order()
    await books.keep(order)
    made = await books.settle()
    for _ in range(2):
        await books.consumer.handle(await books.settlement_events(*made))
    assert await books.owed(books.parties[0]) == await books.owed(books.parties[1]) == 0
    settled, paid = await books.owed(accounts.SETTLEMENTS), await books.owed(accounts.BANK)
    for settlement in made:
        request = c.RecordPayout(settlement_id=settlement.id, reference=f"bank-{settlement.id[-5:]}")
        answers = await asyncio.gather(
            *(books.ledger.record_payout(books.as_("operator"), request) for _ in range(5))
        )
        assert {(answer.reference, answer.paid_at is not None) for answer in answers} == {
            (request.reference, True)
        }
        other = c.RecordPayout(settlement_id=settlement.id, reference="another")
        assert await refusal_of(books.ledger.record_payout(books.as_("operator"), other)) == "already_paid"
    events = await books.settlement_events(*made)
    assert sorted(event.type for event in events) == ["settlement.made"] * 2 + ["settlement.paid"] * 2
    for _ in range(2):
        await books.consumer.handle(events[::-1])
    assert await books.owed(accounts.SETTLEMENTS) == settled - EARNED - PAY
    assert await books.owed(accounts.BANK) == paid + EARNED + PAY


async def test_runs_at_the_same_time_settle_every_line_once(books: Books) -> None:
    orders = [await books.order("cash") for _ in range(4)]
    await books.keep(*orders)
    books.clock.advance(8 * DAY_S)
    runs = await asyncio.gather(*(books.settlements.settle_due(books.clock(), new_run()) for _ in range(4)))
    made = [settlement for run in runs for settlement in run if settlement.party in books.parties]
    assert amounts(made) == {"restaurant": 4 * EARNED, "courier": 4 * PAY}
    assert len(made) == 2


async def test_who_comes_while_another_run_is_settling_waits_and_finds_it_settled(books: Books) -> None:
    order = await books.order("cash")
    await books.keep(order)
    now = books.clock.advance(8 * DAY_S)
    shard = shard_of(books.market.restaurant)
    node = books.router.node("restaurant", shard)
    async with node.transaction() as connection:
        first = await connection.fetch(QUERIES["settle"], shard, now, new_run(), now, "", "")
        assert books.parties[0] in {row["party"] for row in first}
        second = asyncio.create_task(books.settlements.settle_due(now, new_run()))
        while not await node.fetchrow(WAITING, await connection.fetchval("SELECT pg_backend_pid()")):
            assert not second.done()
    assert books.parties[0] not in {settlement.party for settlement in await second}
    assert await books.owed(books.parties[0]) == 0


async def test_dues_heard_again_after_they_were_settled_are_not_settled_again(books: Books) -> None:
    order = await books.order("cash")
    await books.keep(order)
    assert await books.settle()
    await books.keep(order)
    assert await books.settle() == []


async def test_who_owes_more_than_they_earned_gets_no_statement_and_the_debt_is_carried_over(
    books: Books,
) -> None:
    first = await books.order()
    await books.keep(first)
    await owes(books, first, 3 * EARNED)
    assert amounts(await books.settle()) == {"courier": PAY}
    assert await books.owed(books.parties[0]) == -2 * EARNED
    later = [await books.order() for _ in range(3)]
    await books.keep(*later)
    (restaurant,) = [each for each in await books.settle() if each.party == books.parties[0]]
    assert (restaurant.amount.amount, restaurant.lines) == (EARNED, 5)


async def test_a_statement_has_every_line_and_adds_up_to_its_settlement(books: Books) -> None:
    orders = [await books.order(), await books.order("cash")]
    await books.keep(*orders)
    await owes(books, orders[0], 100)
    restaurant = next(each for each in await books.settle() if each.party == books.parties[0])
    request = c.SettlementRef(settlement_id=restaurant.id)
    told = await books.ledger.settlement_statement(books.as_("restaurant", books.market.restaurant), request)
    rows = list(csv.DictReader(io.StringIO(told.csv)))
    assert [(row["order"], row["fact"], int(row["amount_minor"])) for row in rows] == [
        *sorted(
            [(orders[0].id, "case:1", -100), (orders[0].id, "completed", EARNED),
             (orders[1].id, "completed", EARNED)],
            key=lambda row: (int(row[0]), row[1]),
        ),
        ("", "total", 2 * EARNED - 100),
    ]  # fmt: skip
    assert rows[-1]["amount"] == f"{(2 * EARNED - 100) / 100:.2f}"
    assert told.settlement.amount.amount == 2 * EARNED - 100


async def test_a_party_sees_its_own_settlements_and_nobody_elses(books: Books) -> None:
    order = await books.order()
    await books.keep(order)
    restaurant = next(each for each in await books.settle() if each.party == books.parties[0])
    own = books.as_("restaurant", books.market.restaurant)
    listed = await books.ledger.list_settlements(own, c.SettlementsOf(party=books.parties[0]))
    assert [each.id for each in listed.settlements] == [restaurant.id]
    for stranger in (books.as_("restaurant", "another"), books.as_("courier", books.market.restaurant)):
        for call in (
            books.ledger.list_settlements(stranger, c.SettlementsOf(party=books.parties[0])),
            books.ledger.settlement_statement(stranger, c.SettlementRef(settlement_id=restaurant.id)),
        ):
            assert await refusal_of(call) == "settlement_not_found"
    unknown = c.SettlementRef(settlement_id=f"{books.parties[0]}:COP:none")
    assert await refusal_of(books.ledger.settlement_statement(own, unknown)) == "settlement_not_found"


async def waiting(books: Books) -> list[str]:
    """Ids of everybody's that wait for the bank, page by page, and of them this town's."""
    found: list[str] = []
    cursor = None
    while True:
        page = await books.ledger.waiting_settlements(
            books.as_("operator"), c.WaitingSettlements(cursor=cursor, limit=7)
        )
        assert [each.paid_at for each in page.settlements] == [None] * len(page.settlements)
        found += [each.id for each in page.settlements if each.party in books.parties]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_an_operator_sees_once_what_waits_for_the_bank_until_it_has_paid(books: Books) -> None:
    order = await books.order()
    await books.keep(order)
    made = await books.settle()
    assert sorted(await waiting(books)) == sorted(settlement.id for settlement in made)
    paid, unpaid = made
    request = c.RecordPayout(settlement_id=paid.id, reference="bank-1")
    await books.ledger.record_payout(books.as_("operator"), request)
    assert await waiting(books) == [unpaid.id]


async def test_what_waits_for_the_bank_is_for_operators_and_by_cursors_of_its_own(books: Books) -> None:
    for role in ("customer", "restaurant", "courier"):
        asked = books.ledger.waiting_settlements(books.as_(role), c.WaitingSettlements())
        assert await refusal_of(asked) == "forbidden"
    for cursor in ("", "x", "9" * 40, "-1-x-", "1e5-x"):
        asked = books.ledger.waiting_settlements(books.as_("operator"), c.WaitingSettlements(cursor=cursor))
        assert await refusal_of(asked) == "invalid_cursor", cursor
