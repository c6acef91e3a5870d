"""What the log tells of orders and payments is entered once, however often heard and in which order."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from integration.payments.ledger_town import Books
from integration.payments.payments_bench import Bench
from manual_clock import ManualClock
from marketplace import EXTRA, FEE, PRICE, refusal_of
from tiffin.events.consumer import Consumer
from tiffin.events.delivery import Delivery
from tiffin.events.triage import Which, browse
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.policies import KnownPolicies, add_policy, read_policies
from tiffin.services.payments.ledger.policy import Fees, Terms
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.router import Router

SUBTOTAL = 2 * (PRICE + EXTRA)
TOTAL = SUBTOTAL + FEE
COMMISSION = SUBTOTAL // 5
PAY = FEE * 8 // 10


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


def shares(books: Books) -> dict[str, int]:
    """What a completed order of this market moves."""
    return {
        accounts.customer(books.market.customer): -TOTAL,
        accounts.restaurant(books.market.restaurant): SUBTOTAL - COMMISSION,
        accounts.COMMISSION: COMMISSION,
        accounts.DELIVERY_FEES: FEE,
        accounts.COURIER_PAY: -PAY,
        accounts.courier(books.courier): PAY,
    }


async def test_an_order_paid_online_and_completed_leaves_everybody_their_share(books: Books) -> None:
    order = await books.order()
    before = await books.owed(accounts.clearing("sandbox"))
    await books.keep(order)
    assert await books.entries(order) == {
        "captured": {
            accounts.clearing("sandbox"): -TOTAL,
            accounts.customer(order.customer_id): TOTAL,
        },
        "completed": shares(books),
    }
    assert await books.owed(accounts.customer(order.customer_id)) == 0
    assert await books.owed(accounts.clearing("sandbox")) == before - TOTAL
    assert await books.owed(accounts.restaurant(order.restaurant_id)) == SUBTOTAL - COMMISSION
    assert await books.owed(accounts.courier(books.courier)) == PAY


async def test_cash_is_the_couriers_to_hand_in_from_the_moment_of_delivery(books: Books) -> None:
    order = await books.order("cash", until="delivered")
    await books.keep(order)
    assert await books.owed(accounts.cash(books.courier)) == -TOTAL
    assert await books.owed(accounts.customer(order.customer_id)) == TOTAL
    order = await books.market.say(order, "completed", "customer")
    await books.keep(order)
    assert await books.owed(accounts.customer(order.customer_id)) == 0
    assert (await books.entries(order))["completed"] == shares(books)


async def test_a_cancelled_order_leaves_nothing_with_anybody(books: Books) -> None:
    order = await books.order(until="accepted")
    await books.cancel(order)
    await books.keep(order)
    entries = await books.entries(order)
    assert entries.keys() == {"captured", "refunded"}
    assert entries["refunded"] == {account: -amount for account, amount in entries["captured"].items()}
    assert await books.owed(accounts.customer(order.customer_id)) == 0


async def test_an_order_that_is_not_there_is_a_dead_letter_and_keeps_nobody_from_their_share(
    books: Books,
) -> None:
    order = await books.order()
    events = await books.events(order)
    (completed,) = [event for event in events if event.type == "order.completed"]
    nobodys = completed._replace(key=str(int(order.id) + (1 << 50)))
    consumer, node = Consumer(f"ledger-{order.id}", books.consumer.handle, tries=1), books.router.directory
    await Delivery(consumer, node, books.clock, "log").deliver([nobodys, *events])
    assert (await books.entries(order))["completed"] == shares(books)
    (letter,) = await browse(node, Which(consumer.name), ("dead",), 10)
    assert (letter.order_id, letter.reason) == (
        int(nobodys.key),
        f"LookupError: there is no order {nobodys.key}",
    )


async def test_facts_in_any_order_and_many_times_over_are_entered_once(books: Books) -> None:
    orders = [await books.order(), await books.order("cash"), await books.order(until="accepted")]
    await books.cancel(orders[2])
    events = await books.events(*orders)
    shuffled = random.Random(7)
    for _ in range(5):
        shuffled.shuffle(events)
        middle = len(events) // 2
        await books.consumer.handle(events[:middle])
        await asyncio.gather(books.consumer.handle(events[middle:]), books.consumer.handle(events))
    once = [await books.entries(order) for order in orders]
    assert [entries.keys() for entries in once] == [
        {"captured", "completed"}, {"cash_collected", "completed"}, {"captured", "refunded"},
    ]  # fmt: skip
    assert await books.owed(accounts.customer(books.market.customer)) == 0
    assert await books.owed(accounts.restaurant(books.market.restaurant)) == 2 * (SUBTOTAL - COMMISSION)
    assert await books.owed(accounts.courier(books.courier)) == 2 * PAY


async def test_a_payment_given_up_and_charged_after_all_is_captured_and_given_back(books: Books) -> None:
    """It was never `succeeded`: the refund tells of the charge."""
    order = await books.order(until="accepted")
    await books.cancel(order)
    events = [event for event in await books.events(order) if event.type != "payment.succeeded"]
    await books.consumer.handle(events)
    assert (await books.entries(order)).keys() == {"captured", "refunded"}
    assert await books.owed(accounts.customer(order.customer_id)) == 0


SPOILT = {
    "does not sum to zero": ("{a,b}", "{5,-4}", asyncpg.CheckViolationError),
    "has one posting": ("{a}", "{0}", asyncpg.CheckViolationError),
    "has none": ("{}", "{}", asyncpg.CheckViolationError),
    "lacks an amount": ("{a,b}", "{5,NULL}", asyncpg.CheckViolationError),
    "has no amounts": ("{a,b}", None, asyncpg.NotNullViolationError),
    "lacks an account": ("{a}", "{5,-5}", asyncpg.CheckViolationError),
    "sums past the largest number": (
        "{a,b,c}", "{9223372036854775807,1,-9223372036854775808}", asyncpg.NumericValueOutOfRangeError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
async def test_the_database_refuses_an_entry_that(router: Router, name: str) -> None:
    owners, amounts, refused = SPOILT[name]
    with pytest.raises(refused):
        await router.nodes[0].execute(
            "INSERT INTO ledger.entries (shard, subject, fact, currency, accounts, amounts, at, trace)"
            " VALUES (1, '1', 'x', 'EUR', $1::text::text[], $2::text::bigint[], now(), '')",
            owners, amounts,
        )  # fmt: skip


async def test_the_database_refuses_every_change_of_an_entry(books: Books) -> None:
    order = await books.order()
    await books.keep(order)
    shard = customer_shard(int(order.id))
    node = books.router.node("customer", shard)
    for table in ("ledger.entries", f"ledger.entries_{shard:03}"):
        for statement in (
            f"UPDATE {table} SET amounts = ARRAY[1, -1] WHERE subject = $1",
            f"UPDATE {table} SET trace = '' WHERE subject = $1",
            f"DELETE FROM {table} WHERE subject = $1",
        ):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="undo an entry"):
                await node.execute(statement, order.id)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await node.execute("TRUNCATE ledger.entries")
    assert (await books.entries(order))["completed"] == shares(books)


async def test_an_entry_is_undone_once_by_its_opposite(books: Books) -> None:
    order = await books.order()
    await books.keep(order)
    request = c.ReverseEntry(order_id=order.id, fact="completed")
    undone = await asyncio.gather(*(books.ledger.reverse(books.as_("system"), request) for _ in range(5)))
    await books.keep(order)
    assert {entry.fact for entry in undone} == {"reversal:completed"}
    assert (await books.entries(order))["reversal"] == {
        account: -amount for account, amount in shares(books).items()
    }
    assert await books.owed(accounts.restaurant(order.restaurant_id)) == 0
    assert await books.owed(accounts.courier(books.courier)) == 0
    assert await books.owed(accounts.customer(order.customer_id)) == TOTAL
    again = c.ReverseEntry(order_id=order.id, fact="reversal:completed")
    assert await refusal_of(books.ledger.reverse(books.as_("system"), again)) == "invalid_request"


def goodwill(order: c.Order, amount: int, fact: str = "case:7") -> c.EnterEntry:
    return c.EnterEntry(
        order_id=order.id, fact=fact, currency="COP",
        postings=[
            c.Posting(account=accounts.COMPENSATION, amount=-amount),
            c.Posting(account=accounts.restaurant(order.restaurant_id), amount=amount),
        ],
    )  # fmt: skip


def moves(*postings: tuple[str, int]) -> list[c.Posting]:
    return [c.Posting(account=account, amount=amount) for account, amount in postings]


async def test_a_fact_entered_by_a_call_counts_once_and_reaches_its_party(books: Books) -> None:
    order = await books.order()
    for _ in range(2):
        await books.ledger.enter(books.as_("system"), goodwill(order, 250))
        await books.keep(order)
    assert await books.owed(accounts.restaurant(order.restaurant_id)) == SUBTOTAL - COMMISSION + 250


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"fact": "completed"}, "invalid_request"),
        ({"fact": "captured:1"}, "invalid_request"),
        ({"fact": "reversal:case"}, "invalid_request"),
        ({"currency": "XXX"}, "invalid_request"),
        ({"order_id": "9223372036854775807"}, "order_not_found"),
        ({"postings": moves(("a:b", 1), ("a:c", -2))}, "invalid_request"),
        ({"postings": moves(("a:b", 1), ("a:b", -1))}, "invalid_request"),
    ],
)  # fmt: skip
async def test_a_call_that_is_no_entry_is_refused(books: Books, change: dict[str, object], code: str) -> None:
    order = await books.order("cash", until="accepted")
    request = goodwill(order, 250)
    for name, value in change.items():
        setattr(request, name, value)
    assert await refusal_of(books.ledger.enter(books.as_("system"), request)) == code
    assert await books.entries(order) == {}


async def test_the_same_fact_with_other_postings_is_refused(books: Books) -> None:
    order = await books.order("cash", until="accepted")
    await books.ledger.enter(books.as_("system"), goodwill(order, 250))
    assert await refusal_of(books.ledger.enter(books.as_("system"), goodwill(order, 251))) == "entry_differs"


async def test_nobody_but_the_platform_and_its_operators_sees_or_touches_the_books(books: Books) -> None:
    order = await books.order("cash")
    for role in ("customer", "restaurant", "courier"):
        caller = books.as_(role, getattr(order, f"{role}_id"))
        for call in (
            books.ledger.entries(caller, c.EntriesOf(order_id=order.id)),
            books.ledger.enter(caller, goodwill(order, 1)),
            books.ledger.reverse(caller, c.ReverseEntry(order_id=order.id, fact="completed")),
            books.ledger.balance(caller, c.BalanceOf(account=accounts.COMMISSION)),
            books.ledger.record_payout(caller, c.RecordPayout(settlement_id="a:b:c", reference="r")),
        ):
            assert await refusal_of(call) == "forbidden"


async def test_a_version_of_the_fees_is_made_ahead_and_never_changes(router: Router) -> None:
    directory = router.directory
    rows = await directory.fetch("SELECT now() + interval '10 minutes' AS soon, now() AS now")
    policies = await read_policies(directory)
    with pytest.raises(Exception, match="in five minutes or later"):
        await add_policy(directory, rows[0]["now"], Fees())
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await directory.execute("UPDATE ledger.policies SET begins_at = now() + interval '1 day'")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await directory.execute("DELETE FROM ledger.policies")
    fees = Fees(currencies={"BHD": Terms(commission_bp=1500)})
    clock = ManualClock(rows[0]["now"])
    known = KnownPolicies(directory, clock)
    await known.get()
    latest = max(policies.at(rows[0]["soon"]).version, 1)
    async with directory.transaction() as connection:  # other tests of this database keep version 1
        version = await connection.fetchval(
            "INSERT INTO ledger.policies SELECT max(version) + 1, $1, '{}' FROM ledger.policies"
            " RETURNING version",
            rows[0]["soon"],
        )
        assert version == latest + 1
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            async with connection.transaction():
                await connection.execute(
                    "INSERT INTO ledger.policies SELECT max(version) + 1, $1, '{}' FROM ledger.policies",
                    rows[0]["soon"],
                )
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM ledger.policies WHERE version = $1", version)
    assert fees.currencies["BHD"].commission_bp == 1500
