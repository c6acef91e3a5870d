"""Money back when things go wrong on the way: together, in the middle, and never twice."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from integration.reverse.town import Town
from tiffin.events.event import Event
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.sharding.order_id import customer_shard

TOTAL = 2600
PAIRS = 20


def some(amount: int) -> dict[str, Any]:
    return {"amount": c.Money(amount=amount, currency="COP")}


async def outcomes(*calls: Any) -> list[Any]:
    """All at once; refusals by their codes."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Refusal):
            raise result
    return [result.code if isinstance(result, Refusal) else result.state for result in results]


async def test_cases_opened_together_never_get_more_than_was_paid(town: Town) -> None:
    for _ in range(PAIRS):
        order = await town.order("completed")
        said = await outcomes(
            *(town.open_case(order, "operator_decision", "operator", **some(1000)) for _ in range(4))
        )
        assert sorted(said) == ["nothing_left", "nothing_left", "refunded", "refunded"]
        assert town.till.back(order.id) == 2000
        assert await town.sums(order) == (2000, TOTAL)


async def test_the_last_portion_is_given_back_once(town: Town) -> None:
    lines = [c.CaseLine(line=0, quantity=1)]
    for _ in range(PAIRS):
        order = await town.order("completed")
        said = await outcomes(*(town.open_case(order, "missing_items", lines=lines) for _ in range(3)))
        assert sorted(said) == ["nothing_left", "requested", "requested"]


async def test_one_key_opens_one_case(town: Town) -> None:
    order = await town.order("completed")
    said = await asyncio.gather(
        *(town.open_case(order, "operator_decision", "operator", "key", **some(500)) for _ in range(5))
    )
    assert len({case.id for case in said}) == 1
    assert town.till.back(order.id) == 500
    with pytest.raises(Refusal, match="idempotency_key_reused"):
        await town.open_case(order, "operator_decision", "operator", "key", **some(501))


async def test_an_answer_and_a_withdrawal_at_once_make_one_of_the_two(town: Town) -> None:
    for _ in range(PAIRS):
        order = await town.order("completed")
        case = await town.open_case(order, "quality", **some(700))
        await outcomes(
            town.say(case, "approved", "restaurant"), town.say(case, "withdrawn", "customer"),
        )  # fmt: skip
        case = await town.get(case)
        assert (case.state, town.till.back(order.id)) in (("refunded", 700), ("withdrawn", 0))
        assert await town.sums(order) == (town.till.back(order.id), TOTAL)


async def test_calling_off_and_delivering_at_once_end_in_one_of_the_two(town: Town) -> None:
    for _ in range(PAIRS):
        order = await town.order("delivering")
        await outcomes(
            town.open_case(order, "operator_decision", "operator"),
            town.market.say(order, "delivered", "courier", town.courier),
        )
        order = await town.market.get(order)
        back = town.till.back(order.id)
        # an operator whose case came after the delivery has decided about a delivered order
        assert (order.state, back) in (("cancelled", TOTAL), ("delivered", 0), ("delivered", TOTAL))


@pytest.mark.parametrize("fault", ["lost", "away"])
async def test_a_refund_whose_answer_was_lost_is_asked_for_again_and_made_once(
    town: Town, fault: str
) -> None:
    order = await town.order("completed")
    setattr(town.till, fault, 2)
    case = await town.open_case(order, "operator_decision", "operator", **some(900))
    assert case.state == "refunding"
    assert await town.entry(case) == {}
    for _ in range(3):
        town.clock.advance(61)
        await town.work()
    assert (await town.get(case)).state == "refunded"
    assert town.till.back(order.id) == 900
    assert await town.entry(case) == await town.preview(case)


async def test_a_refund_that_is_pending_is_looked_after_until_it_is_not(town: Town) -> None:
    order = await town.order("completed")
    town.till.state = "pending"
    case = await town.open_case(order, "operator_decision", "operator", **some(900))
    town.clock.advance(61)
    await town.work()
    assert (await town.get(case)).state == "refunding"
    town.till.settle("succeeded")
    town.clock.advance(61)
    await town.work()
    assert (await town.get(case)).state == "refunded"


@pytest.mark.parametrize(
    ("state", "event", "reached"),
    [
        ("succeeded", "payment.refunded", "refunded"),
        ("failed", "payment.refund_failed", "refund_failed"),
        ("pending", "payment.refunded", "refunding"),
    ],
)
async def test_a_case_goes_on_when_payments_tell_how_its_refund_ended_and_waits_for_no_look(
    town: Town, state: str, event: str, reached: str
) -> None:
    """The last row: another refund of the order has ended."""
    order = await town.order("completed")
    town.till.state = "pending"
    case = await town.open_case(order, "operator_decision", "operator", **some(900))
    town.till.settle(state)
    assert event in town.consumer.types
    await town.consumer.handle([_told(order, event)])
    assert (await town.get(case)).state == reached
    assert town.till.back(order.id) == (0 if state == "failed" else 900)


def _told(order: c.Order, type_: str) -> Event:
    happened = c.PaymentEvent(
        payment_id=f"{order.id}-p", order_id=order.id, version=4, type=type_, amount=order.total,
        at="2026-06-01T12:00:00.000Z", request_id="request", refund_id="r", refund_amount=order.total,
    )  # fmt: skip
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    data = msgspec.json.encode(happened).decode()
    shard = customer_shard(int(order.id))
    return Event(1, 1, 1, "customer", shard, "payment", happened.payment_id, 4, type_, data, at, "request")


async def test_a_case_that_gets_no_answer_holds_up_no_other_of_its_worker(town: Town) -> None:
    """Taken is taken: what waits for its turn and does not get it is looked at no sooner than if it had."""
    orders = [await town.order("completed") for _ in range(4)]
    town.till.state = "pending"
    cases = [await town.open_case(order, "operator_decision", "operator", **some(900)) for order in orders]
    town.till.settle("succeeded")
    town.till.silent_about = orders[0].id
    town.clock.advance(61)
    works = asyncio.gather(*(town.carrier.work(node) for node in town.router.nodes))
    try:
        async with asyncio.timeout(60):
            for case in cases[1:]:
                while (await town.get(case)).state != "refunded":
                    await asyncio.sleep(0.01)
    finally:
        works.cancel()
    assert (await town.get(cases[0])).state == "refunding"


async def test_what_the_provider_gives_back_to_nobody_is_owed_to_the_customer(town: Town) -> None:
    order = await town.order("completed")
    town.till.state = "failed"
    case = await town.open_case(order, "operator_decision", "operator", **some(900))
    assert case.state == "refund_failed"
    assert await town.entry(case) == {}
    town.clock.advance(24 * 3600 + 1)
    await town.work()
    assert (await town.get(case)).state == "refunded"
    assert (await town.entry(case))[f"customer:{order.customer_id}"] == 900
    assert (town.till.on_balance(order.id), town.till.back(order.id)) == (900, 900)


@pytest.mark.parametrize("after", range(6))
async def test_a_process_that_dies_between_any_two_steps_is_gone_on_from(town: Town, after: int) -> None:
    """Its worker dies before its n-th call to a peer or write; another one carries the case to its end."""
    order = await town.order("preparing")
    left = after

    def mortal(method: Any) -> Any:
        async def call(*arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                raise asyncio.CancelledError
            left -= 1
            return await method(*arguments)

        return call

    process = town.process()
    carrier: Any = process._carrier
    carrier._store = Dying(town.store, mortal, "move")
    carrier._orders = Dying(town.market.orders, mortal, "advance")
    carrier._payments = Dying(town.till, mortal, "refund")
    carrier._ledger = Dying(town.ledger, mortal, "enter")
    request = c.OpenCase(idempotency_key="k", order_id=order.id, kind="operator_decision")
    with suppress(asyncio.CancelledError):
        await process.open(town.as_("operator"), request)
    town.clock.advance(61)
    await town.work()
    (case,) = (await town.reverse.list_cases(town.as_("operator"), c.ListCases(order_id=order.id))).cases
    assert case.state == "refunded"
    assert town.till.back(order.id) == case.outcome.refund.amount == TOTAL
    assert await town.entry(case) == await town.preview(case) != {}
    assert (await town.market.get(order)).state == "cancelled"


class Dying:
    """A peer of which one method may be the last thing somebody calls."""

    def __init__(self, peer: Any, mortal: Any, name: str) -> None:
        self._peer = peer
        setattr(self, name, mortal(getattr(peer, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)


async def test_what_a_case_moved_is_undone_when_the_order_is_called_off_otherwise(town: Town) -> None:
    order = await town.order("preparing")
    lines = [c.CaseLine(line=0, quantity=1)]
    case = await town.open_case(order, "cannot_supply", "restaurant", lines=lines)
    assert case.state == "refunded"
    assert await town.entry(case) != {}
    await town.market.say(order, "cancelled", "operator")
    for _ in range(2):
        await town.consumer.handle(await town.market.events_of(order))
    assert await town.entry(case) == {}


async def test_a_case_that_calls_off_undoes_what_earlier_ones_moved(town: Town) -> None:
    order = await town.order("preparing")
    lines = [c.CaseLine(line=0, quantity=1)]
    first = await town.open_case(order, "cannot_supply", "restaurant", lines=lines)
    rest = await town.open_case(order, "cannot_supply", "restaurant")
    assert town.till.back(order.id) == TOTAL
    together = [await town.entry(first), await town.entry(rest)]
    accounts = {account for entry in together for account in entry}
    assert {sum(entry.get(account, 0) for entry in together) for account in accounts} == {0}


async def test_the_restaurant_sees_its_cases_page_by_page(town: Town) -> None:
    order = await town.order("completed")
    opened = [await town.open_case(order, "quality", **some(100)) for _ in range(3)]
    for case in opened:
        found = await town.store.get(case.id)
        assert found is not None
        await town.store.copy(found)
    seen: list[str] = []
    cursor = None
    while True:
        request = c.ListCases(restaurant_id=town.market.restaurant, limit=2, cursor=cursor)
        page = await town.reverse.list_cases(town.as_("restaurant"), request)
        seen += [case.id for case in page.cases]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(case.id for case in opened)


async def test_nothing_is_owed_for_an_order_whose_money_was_never_taken(town: Town) -> None:
    order = await town.order("preparing")
    del town.till.paid[order.id]  # what was authorised had expired
    case = await town.open_case(order, "cannot_supply", "restaurant")
    assert (case.state, case.reason) == ("closed", "nothing has been taken")
    town.clock.advance(2 * 24 * 3600)
    await town.work()
    assert (await town.get(case)).state == "closed"
    assert (await town.sums(order))[0] == 0, "nothing of it is claimed any more"
    assert town.till.on_balance(order.id) == 0
    assert await town.entry(case) == {}
