"""Each way a charge can go, and never two charges."""

import asyncio

import pytest

from integration.payments.payments_bench import Bench
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.outcomes import Outcome, intend
from tiffin.services.payments.payment import Payment


async def test_a_good_charge_succeeds_at_once_and_orders_hear_of_it(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_ok")
    assert payment.state == "succeeded"
    assert payment.amount == order.total
    assert await bench.statement(order) == [("charge", 1250)]
    assert await bench.history(payment) == ["started", "succeeded"]
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"


async def test_after_a_decline_the_customer_may_try_again(bench: Bench) -> None:
    order = bench.order()
    declined = await bench.pay(order, "tok_declined")
    assert (declined.state, declined.decline_reason) == ("declined", "insufficient_funds")
    assert await bench.statement(order) == []
    assert bench.desk.orders[order.id].state == "awaiting_payment"
    bench.clock.advance(1)
    paid = await bench.pay(order, "tok_ok")
    assert paid.state == "succeeded"
    assert [of.id for of in await bench.all_payments(order)] == [declined.id, paid.id]
    assert await bench.statement(order) == [("charge", 1250)]


async def test_a_source_nobody_knows_is_declined(bench: Bench) -> None:
    payment = await bench.pay(bench.order(), "tok_of_another_world")
    assert (payment.state, payment.decline_reason) == ("declined", "unknown_source")


async def test_a_slow_charge_is_pending_until_the_notice_comes(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_slow")
    assert payment.state == "pending"
    await bench.inbox.next(payment.id)
    assert await bench.state(payment) == "succeeded"
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"


async def test_a_slow_decline_leaves_room_for_another_try(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_slow_declined")
    assert payment.state == "pending"
    await bench.inbox.next(payment.id)
    assert await bench.state(payment) == "declined"
    assert (await bench.pay(order, "tok_ok")).state == "succeeded"


async def test_a_notice_sent_three_times_counts_once(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_repeat")
    for _ in range(3):
        await bench.inbox.next(payment.id)
    assert await bench.history(payment) == ["started", "succeeded"]
    assert bench.desk.told.count(order.id) == 1


async def test_a_reply_lost_after_the_charge_is_found_out_and_charged_once(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_lost_reply", bench.impatient)
    assert payment.state == "pending"
    await bench.settle()
    assert await bench.state(payment) == "succeeded"
    assert await bench.statement(order) == [("charge", 1250)]
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"


async def test_paying_again_after_a_lost_reply_answers_the_first_payment(bench: Bench) -> None:
    order = bench.order()
    first = await bench.pay(order, "tok_lost_reply", bench.impatient)
    again = await bench.pay(order, "tok_lost_reply")
    assert (again.id, again.state) == (first.id, "succeeded")
    assert await bench.statement(order) == [("charge", 1250)]


async def test_a_server_error_of_the_provider_is_settled_by_asking_again(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_error")
    assert payment.state == "pending"
    await bench.settle()
    assert await bench.state(payment) == "succeeded"
    assert await bench.statement(order) == [("charge", 1250)]


async def test_a_provider_that_is_away_leaves_the_payment_pending_until_it_is_back(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, service=bench.cut_off)
    assert payment.state == "pending"
    await bench.settle(bench.cut_off)
    assert await bench.state(payment) == "pending"
    await bench.settle()
    assert await bench.state(payment) == "succeeded"
    assert await bench.statement(order) == [("charge", 1250)]


async def test_a_change_that_is_refused_leaves_no_event(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.row(await bench.pay(order, service=bench.later))
    change = intend(payment, "void", bench.clock(), "t", "order_cancelled")
    assert change is not None
    store = bench.later.settlement.store
    assert await store.change(change)
    told = await bench.events(order)
    assert not await store.change(change)
    assert await bench.events(order) == told


async def test_a_hundred_pays_at_once_make_one_charge(bench: Bench) -> None:
    order = bench.order()
    services = [bench.payments, bench.service(bench.provider)]
    payments = await asyncio.gather(*(bench.pay(order, "tok_ok", services[i % 2]) for i in range(100)))
    assert len({payment.id for payment in payments}) == 1
    assert {payment.state for payment in payments} <= {"pending", "succeeded"}
    assert (await bench.pay(order)).state == "succeeded"
    assert await bench.statement(order) == [("charge", 1250)]
    assert await bench.history(await bench.only_payment(order)) == ["started", "succeeded"]


async def test_paying_again_after_success_answers_the_payment(bench: Bench) -> None:
    order = bench.order()
    first = await bench.pay(order)
    assert await bench.pay(order, "tok_declined") == first


class _Stuck:
    """A provider whose charges never get on their way."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    name = "sandbox"

    async def prepare(self, payment: Payment) -> None: ...

    async def charge(self, payment: Payment) -> Outcome:
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_crash_between_intent_and_charge_is_settled(bench: Bench) -> None:
    order = bench.order()
    stuck = _Stuck()
    paying = asyncio.create_task(bench.pay(order, service=bench.service(stuck)))  # type: ignore[arg-type]
    await stuck.reached.wait()
    paying.cancel()
    await asyncio.gather(paying, return_exceptions=True)
    payment = await bench.only_payment(order)
    assert payment.state == "pending"
    assert await bench.statement(order) == []
    await bench.settle()
    assert await bench.state(payment) == "succeeded"
    assert await bench.statement(order) == [("charge", 1250)]
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"


async def test_orders_that_are_away_do_not_spoil_a_payment(bench: Bench) -> None:
    order = bench.order()
    bench.desk.away = True
    try:
        payment = await bench.pay(order)
    finally:
        bench.desk.away = False
    assert payment.state == "succeeded"


async def test_two_settlers_do_not_take_the_same_payment(bench: Bench) -> None:
    order = bench.order()
    await bench.pay(order, "tok_lost_reply", bench.impatient)
    bench.clock.advance(61)
    store = bench.payments.settlement.store
    taken = await asyncio.gather(*(store.lease_due(bench.clock(), 1000, (2,)) for _ in range(5)))
    ids = [payment.id for some in taken for payment in some if str(payment.order_id) == order.id]
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("state", "method"),
    [("awaiting_acceptance", "cash"), ("cancelled", "online"), ("preparing", "online")],
)
async def test_an_order_that_awaits_no_payment_is_not_charged(bench: Bench, state: str, method: str) -> None:
    order = bench.order(state, method)
    with pytest.raises(Refusal, match="payment_not_expected"):
        await bench.pay(order)
    assert await bench.all_payments(order) == []


@pytest.mark.parametrize("role", ["customer", "restaurant", "courier", "operator"])
async def test_only_its_customer_pays_an_order(bench: Bench, role: str) -> None:
    order = bench.order()
    context = new_context(role, "somebody", bench.clock())  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="order_not_found"):
        await bench.payments.pay(context, c.PayOrder(order_id=order.id, source="tok_ok"))


async def test_payments_are_listed_for_the_customer_and_operators_only(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order)
    request = c.PaymentsOf(order_id=order.id)
    for context in (bench.as_customer(order), new_context("operator", "o-1", bench.clock())):
        assert (await bench.payments.list_payments(context, request)).payments == [payment]
    for role in ("customer", "restaurant", "courier"):
        with pytest.raises(Refusal, match="order_not_found"):
            await bench.payments.list_payments(new_context(role, "r-1", bench.clock()), request)


async def test_a_pay_whose_caller_has_left_charges_nothing(bench: Bench) -> None:
    order = bench.order()
    context = bench.as_customer(order)
    bench.clock.advance(60)
    with pytest.raises(Unavailable, match="deadline_passed"):
        await bench.payments.pay(context, c.PayOrder(order_id=order.id, source="tok_ok"))
    assert await bench.statement(order) == []
