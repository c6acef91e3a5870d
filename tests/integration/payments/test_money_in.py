"""What comes in: cash that couriers hand in, what providers pay on; and who may know what is owed to whom."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from msgspec import structs

from integration.payments.ledger_town import Books
from integration.payments.payments_bench import Bench
from manual_clock import ManualClock
from marketplace import EXTRA, FEE, PRICE, refusal_of
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role
from tiffin.services.payments.ledger import accounts
from tiffin.sharding.router import Router

TOTAL = 2 * (PRICE + EXTRA) + FEE
MAY_SEE: list[tuple[Role, str]] = [
    ("customer", "customer"),
    ("restaurant", "restaurant"),
    ("courier", "courier"),
]


@pytest.fixture
async def books(
    router: Router, clock: ManualClock, new_id: Callable[[str], str], bench: Bench
) -> AsyncIterator[Books]:
    async with Books.open(router, clock, new_id, bench.provider) as books:
        yield books


def handed_in(books: Books, amount: int, reference: str = "receipt-1") -> c.RecordCash:
    money = c.Money(amount=amount, currency="COP")
    return c.RecordCash(courier_id=books.courier, amount=money, reference=reference)


async def test_cash_handed_in_leaves_the_courier_with_none_noted_once_however_often(books: Books) -> None:
    order = await books.order("cash")
    await books.keep(order)
    hands = accounts.cash(books.courier)
    assert await books.owed(hands) == -TOTAL
    request = handed_in(books, TOTAL)
    noted = await asyncio.gather(
        *(books.ledger.record_cash(books.as_("operator"), request) for _ in range(5))
    )
    assert {entry.fact for entry in noted} == {"handed_in:receipt-1"}
    assert await books.owed(hands) == 0
    other = books.ledger.record_cash(books.as_("operator"), handed_in(books, TOTAL - 1))
    assert await refusal_of(other) == "entry_differs"
    assert await refusal_of(books.ledger.record_cash(books.as_("operator"), handed_in(books, 0, "x"))) == (
        "invalid_request"
    )


async def test_what_a_provider_pays_on_and_keeps_clears_what_it_took(books: Books) -> None:
    clearing = accounts.clearing("acme")
    bank, fees = await books.owed(accounts.BANK), await books.owed(accounts.PROVIDER_FEES)
    before = await books.owed(clearing)
    request = c.RecordProviderPayout(
        provider="acme", amount=c.Money(amount=970, currency="COP"), fees=30, reference=books.courier
    )
    for _ in range(2):
        entry = await books.ledger.record_provider_payout(books.as_("operator"), request)
        assert entry.subject == "provider:acme"
    assert await books.owed(clearing) - before == 1000
    assert await books.owed(accounts.BANK) - bank == -970, "in the bank"
    assert await books.owed(accounts.PROVIDER_FEES) - fees == -30


async def test_cash_noted_by_mistake_is_undone_once_and_noted_anew_under_another_name(books: Books) -> None:
    hands, operator = accounts.cash(books.courier), books.as_("operator")
    await books.ledger.record_cash(operator, handed_in(books, 29_000))
    mistake = c.UndoCash(courier_id=books.courier, reference="receipt-1")
    undone = await asyncio.gather(*(books.ledger.undo_cash(operator, mistake) for _ in range(5)))
    assert {entry.fact for entry in undone} == {"reversal:handed_in:receipt-1"}
    assert await books.owed(hands) == 0
    for amount in (29_000, 2_900):
        again = books.ledger.record_cash(operator, handed_in(books, amount))
        assert await refusal_of(again) == "entry_differs", "nobody is told that it is noted"
    await books.ledger.record_cash(operator, handed_in(books, 2_900, "receipt-1b"))
    assert await books.owed(hands) == 2_900
    unknown = c.UndoCash(courier_id=books.courier, reference="receipt-2")
    assert await refusal_of(books.ledger.undo_cash(operator, unknown)) == "entry_not_found"
    courier = books.as_("courier", books.courier)
    assert await refusal_of(books.ledger.undo_cash(courier, mistake)) == "forbidden"


async def test_a_payout_noted_of_the_wrong_provider_is_undone(
    books: Books, new_id: Callable[[str], str]
) -> None:
    clearing, reference, operator = accounts.clearing("acme"), new_id("payout"), books.as_("operator")
    before = await books.owed(clearing), await books.owed(accounts.PROVIDER_FEES)
    amount = c.Money(amount=970, currency="COP")
    await books.ledger.record_provider_payout(
        operator, c.RecordProviderPayout(provider="acme", amount=amount, fees=30, reference=reference)
    )
    undone = c.UndoProviderPayout(provider="acme", reference=reference)
    await books.ledger.undo_provider_payout(operator, undone)
    assert (await books.owed(clearing), await books.owed(accounts.PROVIDER_FEES)) == before
    courier = books.as_("courier", books.courier)
    assert await refusal_of(books.ledger.undo_provider_payout(courier, undone)) == "forbidden"


@pytest.mark.parametrize("access", ["owner", "manager", "system", "staff"])
async def test_what_a_restaurant_earns_is_not_for_all_who_work_there(books: Books, access: str) -> None:
    order = await books.order()
    await books.keep(order)
    party = f"restaurant:{order.restaurant_id}"
    context = books.as_("restaurant", order.restaurant_id)
    context = structs.replace(context, caller=structs.replace(context.caller, access=access))
    ledger, of = books.ledger, c.SettlementsOf(party=party)
    statement = c.SettlementRef(settlement_id=f"{party}:COP:none")
    asked = (
        ledger.holdings(context, c.HoldingsOf(party=party)),
        ledger.balance(context, c.BalanceOf(account=party)),
        ledger.list_settlements(context, of),
        ledger.settlements_csv(context, of),
        ledger.settlement_statement(context, statement),
    )
    told = [
        isinstance(found, Refusal) and found.code
        for found in await asyncio.gather(*asked, return_exceptions=True)
    ]
    assert told == (["forbidden"] * 5 if access == "staff" else [False] * 4 + ["settlement_not_found"])


async def test_what_is_noted_of_no_order_is_told_and_makes_no_dues(books: Books) -> None:
    await books.ledger.record_cash(books.as_("operator"), handed_in(books, 5))
    rows = await books.events_named(f"cash:{books.courier}/handed_in:receipt-1")
    assert [event.type for event in rows] == ["entry.made"]
    await books.consumer.handle(rows)
    assert await books.owed(accounts.courier(books.courier)) == 0


async def test_everybody_sees_what_is_owed_to_them_and_to_nobody_else(books: Books) -> None:
    order = await books.order("cash")
    await books.keep(order)
    ids = {
        "customer": order.customer_id, "restaurant": order.restaurant_id, "courier": books.courier,
    }  # fmt: skip
    for role, of in MAY_SEE:
        own = c.HoldingsOf(party=f"{of}:{ids[of]}")
        told = await books.ledger.holdings(books.as_(role, ids[role]), own)
        assert [account.account for account in told.accounts] == accounts.of_party(own.party)
        assert told == await books.ledger.holdings(books.as_("operator"), own)
        for other in ("customer", "restaurant", "courier"):
            if other != of:
                another = c.HoldingsOf(party=f"{other}:{ids[other]}")
                assert (
                    await refusal_of(books.ledger.holdings(books.as_(role, ids[role]), another))
                    == "forbidden"
                )
        assert await refusal_of(books.ledger.record_cash(books.as_(role), handed_in(books, 1))) == "forbidden"
    (earned, cash) = (await books.ledger.holdings(
        books.as_("courier", books.courier), c.HoldingsOf(party=f"courier:{books.courier}")
    )).accounts  # fmt: skip
    assert [money.amount for money in cash.balances] == [-TOTAL]
    assert [money.amount for money in earned.balances] == [FEE * 8 // 10]
