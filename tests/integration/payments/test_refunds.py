"""An order that falls gives its money back, whenever it falls, exactly once."""

import asyncio
from dataclasses import replace

import pytest

from integration.payments.payments_bench import Bench
from tiffin.events.consumer import Consumer
from tiffin.events.delivery import Delivery
from tiffin.events.event import Event
from tiffin.events.triage import Which, browse
from tiffin.rpc import contracts as c
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.outcomes import Outcome
from tiffin.services.payments.payment import Payment
from tiffin.services.payments.provider import SandboxProvider
from tiffin.storage.node import Node

GAVE_BACK = [("charge", 1250), ("refund", -1250)]


def order_event(bench: Bench, order: c.Order, type: str = "order.cancelled") -> Event:
    return bench.order_event(order, type)


async def payment_events(bench: Bench, payment: c.Payment) -> list[Event]:
    return await bench.events(bench.desk.orders[payment.order_id])


async def test_a_cancelled_order_is_refunded_in_full_and_once(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order)
    event = order_event(bench, bench.cancel(order))
    for _ in range(3):
        await bench.consumer.handle([event, event])
        await bench.settle()
    assert await bench.state(payment) == "refunded"
    assert await bench.history(payment) == ["started", "succeeded", "refund_started", "refunded"]
    assert await bench.statement(order) == GAVE_BACK


async def test_a_refund_whose_reply_is_lost_is_made_once(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_lost_refund_reply")
    await bench.consumer.handle([order_event(bench, bench.cancel(order))])
    await bench.settle(bench.impatient)
    assert await bench.state(payment) == "refunding"
    await bench.settle()
    assert await bench.state(payment) == "refunded"
    assert await bench.statement(order) == GAVE_BACK


class _Held:
    """The sandbox, with a charge's answer held back until told."""

    def __init__(self, real: SandboxProvider) -> None:
        self._real = real
        self.charged = asyncio.Event()
        self.go_on = asyncio.Event()

    name = "sandbox"

    async def prepare(self, payment: Payment) -> None: ...

    async def charge(self, payment: Payment) -> Outcome:
        outcome = await self._real.charge(payment)
        self.charged.set()
        await self.go_on.wait()
        return outcome


async def test_an_order_that_falls_while_it_is_charged_is_refunded_once(bench: Bench) -> None:
    order = bench.order()
    held = _Held(bench.provider)
    paying = asyncio.create_task(bench.pay(order, service=bench.service(held)))  # type: ignore[arg-type]
    await held.charged.wait()
    await bench.consumer.handle([order_event(bench, bench.cancel(order), "order.payment_expired")])
    held.go_on.set()
    payment = await paying
    assert payment.state == "refunding"
    await bench.consumer.handle(await payment_events(bench, payment))
    await bench.settle()
    assert await bench.state(payment) == "refunded"
    assert await bench.statement(order) == GAVE_BACK


async def test_a_payment_recorded_and_not_told_before_a_crash_reaches_orders_from_the_log(
    bench: Bench,
) -> None:
    order = bench.order()
    bench.desk.away = True
    payment = await bench.pay(order)
    bench.desk.away = False
    after_restart = bench.consumer_of(bench.service(bench.provider))
    events = await payment_events(bench, payment)
    await after_restart.handle(events)
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"
    await after_restart.handle(events)
    assert bench.desk.told.count(order.id) == 1


async def test_a_payment_recorded_and_not_told_whose_order_fell_is_refunded_from_the_log(
    bench: Bench,
) -> None:
    order = bench.order()
    bench.desk.away = True
    payment = await bench.pay(order)
    bench.desk.away = False
    bench.cancel(order)
    await bench.consumer.handle(await payment_events(bench, payment))
    await bench.settle()
    assert await bench.state(payment) == "refunded"
    assert await bench.statement(order) == GAVE_BACK


async def test_a_slow_charge_decided_after_the_order_fell_is_refunded(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_slow")
    await bench.consumer.handle([order_event(bench, bench.cancel(order))])
    await bench.inbox.next(payment.id)
    await bench.settle()
    assert await bench.state(payment) == "refunded"
    assert await bench.statement(order) == GAVE_BACK


async def test_a_fallen_order_whose_charge_never_arrived_is_let_go_uncharged(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, service=bench.cut_off)
    bench.clock.advance(30)
    bench.cancel(order)
    assert await bench.payments.settlement.settle_due(1000) >= 1
    assert await bench.state(payment) == "pending", "a charge under way may still arrive"
    await bench.settle()
    assert await bench.state(payment) == "declined"
    assert await bench.statement(order) == []


async def test_a_charge_that_arrives_after_it_was_let_go_is_given_back(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, service=bench.cut_off)
    bench.cancel(order)
    await bench.settle()
    assert await bench.state(payment) == "declined"
    await bench.provider.charge(replace(await bench.row(payment), source="tok_repeat"))
    await bench.inbox.next(payment.id)
    await bench.settle()
    assert await bench.state(payment) == "refunded"
    assert await bench.history(payment) == ["started", "declined", "refund_started", "refunded"]
    assert await bench.statement(order) == GAVE_BACK


async def test_what_needs_no_payment_costs_no_round_trip(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order)
    told_already = await payment_events(bench, payment)
    await PaymentsConsumer(_Untouchable(payment.id), bench.desk, bench.clock).handle(told_already)  # type: ignore[arg-type]


class _Untouchable:
    """A settlement that has told orders of one payment and must not be asked for anything else."""

    class store:
        by_ids = None

    def __init__(self, told: str) -> None:
        self._told = told

    def has_told(self, payment_id: str) -> bool:
        return payment_id == self._told


async def test_a_batch_of_cancelled_orders_refunds_those_that_were_paid(bench: Bench) -> None:
    paid = [bench.order() for _ in range(3)]
    payments = [await bench.pay(order) for order in paid]
    cash = [bench.order("awaiting_acceptance", "cash") for _ in range(3)]
    await bench.consumer.handle([order_event(bench, bench.cancel(order)) for order in [*cash, *paid]])
    await bench.settle()
    assert [await bench.state(payment) for payment in payments] == ["refunded"] * 3


async def test_what_orders_refuse_for_ever_is_a_dead_letter_and_does_not_hold_up_the_others(
    bench: Bench, node: Node
) -> None:
    bench.desk.away = True
    orders = [bench.order() for _ in range(2)]
    payments = [await bench.pay(order) for order in orders]
    bench.desk.away = False
    events = [event for of in payments for event in await payment_events(bench, of)]
    del bench.desk.orders[orders[0].id]  # an order that orders know nothing of
    consumer = Consumer(f"payments-{orders[0].id}", bench.consumer.handle, tries=1)
    await Delivery(consumer, node, bench.clock, "log").deliver(events)
    assert bench.desk.orders[orders[1].id].state == "awaiting_acceptance"
    letters = await browse(node, Which(consumer.name), ("dead",), 10)
    assert {letter.order_id for letter in letters} == {int(orders[0].id)}
    assert all(letter.reason.startswith("Refusal: order_not_found") for letter in letters)


async def test_events_are_heard_again_when_orders_are_away(bench: Bench) -> None:
    order = bench.order()
    bench.desk.away = True
    payment = await bench.pay(order)
    events = await payment_events(bench, payment)
    with pytest.raises(ConnectionError):
        await bench.consumer.handle(events)
    bench.desk.away = False
    await bench.consumer.handle(events)
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"
