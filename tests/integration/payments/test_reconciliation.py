"""The three books of real payments, beside the sandbox's own statement, with planted differences."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import aiohttp
import pytest

from integration.payments.ledger_town import Books
from integration.payments.payments_bench import Bench
from integration.payments.test_sandbox import part
from manual_clock import ManualClock
from tiffin.audit.order_money import entered_of
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import facts
from tiffin.services.payments.ledger.facts import Charge, Moment
from tiffin.services.payments.ledger.reconciliation import Line, Ours, reconcile
from tiffin.services.payments.payment import Payment, to_contract
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.router import Router


@pytest.fixture
async def books(
    router: Router, clock: ManualClock, new_id: Callable[[str], str], bench: Bench
) -> AsyncIterator[Books]:
    async with Books.open(router, clock, new_id, bench.provider) as books:
        yield books


async def statement(session: aiohttp.ClientSession, url: str, orders: list[c.Order]) -> dict[str, list[Line]]:
    """What the provider says of these orders' payments, page by page."""
    lines: defaultdict[str, list[Line]] = defaultdict(list)
    after = 0
    while True:
        async with session.get(f"{url}/statement?after={after}&limit=100") as response:
            page = await response.json()
        if not page["lines"]:
            return dict(lines)
        for line in page["lines"]:
            if line["key"].partition("-")[0] in {order.id for order in orders}:
                lines[line["key"]].append(Line(line["kind"], line["amount"], line["currency"]))
        after = page["next_after"]


def _ours(payment: Payment) -> Ours:
    state = to_contract(payment).state
    return Ours(payment.amount, payment.currency, state, payment.refunding, payment.refunded)


async def test_a_town_at_peace_agrees_and_every_planted_difference_is_found_with_its_fix(
    books: Books, session: aiohttp.ClientSession, sandbox_url: str, bench: Bench
) -> None:
    orders = [await books.order(until="accepted") for _ in range(9)]
    await books.cancel(orders[0])
    declined = await books.market.place(payment_method="online")
    await books.pay(declined, "tok_declined")
    await books.keep(*orders[:7], orders[8], declined)

    async def differences(twice: str = "") -> dict[str, set[tuple[str, str]]]:
        ours: dict[str, Ours] = {}
        entered = {}
        for order in [*orders, declined]:
            for payment in await books.payments.settlement.store.of_order(int(order.id)):
                ours[payment.id] = _ours(payment)
            entered |= entered_of(await books.store.entries(customer_shard(int(order.id)), order.id))
        lines = await statement(session, sandbox_url, [*orders, declined])
        if twice:
            lines[twice] *= 2
        found: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for each in reconcile(ours, entered, lines):
            found[each.payment_id].add((each.kind, each.fix))
        return dict(found)

    paid = [(await books.payments.settlement.store.of_order(int(order.id)))[0].id for order in orders]
    assert await differences() == {paid[7]: {("not_entered", "enter_again")}}
    await books.keep(orders[7])
    assert await differences() == {}

    # the provider charges something of which we know nothing, and gives something back by itself
    stray = f"{orders[1].id}-stray"
    known = await books.payments.settlement.store.find(paid[2])
    assert known is not None
    await bench.provider.charge(replace(known, id=stray, amount=777))
    await bench.provider.refund(known, part(known, known.amount, "by itself"))
    # our record is changed behind everybody's back
    node = books.router.nodes[0]
    await node.execute("UPDATE payments.payments SET amount = amount + 1 WHERE id = $1", paid[3])
    refused = (await books.payments.settlement.store.of_order(int(declined.id)))[0].id
    await node.execute("UPDATE payments.payments SET state = 'succeeded' WHERE id = $1", refused)
    await node.execute("UPDATE payments.payments SET state = 'pending' WHERE id = $1", paid[4])
    # the ledger has given back what nobody has
    charge = Charge(
        paid[5], int(orders[5].id), orders[5].customer_id, "sandbox", orders[5].total.amount, "COP"
    )
    entry = facts.refunded(charge, Moment(books.clock(), "planted"))
    assert entry and await books.store.enter([entry])

    assert await differences(twice=paid[6]) == {
        stray: {("missing_here", "refund_at_the_provider")},
        paid[2]: {("status_differs", "ask_a_person")},
        paid[3]: {("not_entered", "enter_again"), ("amount_differs", "ask_a_person")},
        refused: {("not_entered", "enter_again"), ("missing_there", "ask_the_provider")},
        paid[4]: {("entered_too_much", "undo_the_entry"), ("status_differs", "ask_the_provider")},
        paid[5]: {("entered_too_much", "undo_the_entry")},
        paid[6]: {("duplicate", "refund_at_the_provider")},
    }
