"""Authorised first, taken on acceptance, let go when the order falls before; several payments; cash."""

import asyncio

import msgspec
import pytest

from integration.payments.payments_bench import Bench
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context

TAKEN = [("charge", 1250)]


def accept(bench: Bench, order: c.Order) -> list[object]:
    return [bench.order_event(bench.desk.put(bench.desk.orders[order.id], "preparing"), "order.accepted")]


async def test_a_card_is_authorised_and_taken_when_the_restaurant_accepts(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, service=bench.later)
    assert payment.state == "authorised"
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"
    assert await bench.statement(order) == []
    events = accept(bench, order)
    for _ in range(2):
        await bench.consumer_of(bench.later).handle(events)  # type: ignore[arg-type]
        await bench.settle(bench.later)
    assert await bench.state(payment) == "succeeded"
    assert await bench.history(payment) == ["started", "authorised", "capture_started", "succeeded"]
    assert await bench.statement(order) == TAKEN


@pytest.mark.parametrize("source", ["tok_ok", "tok_lost_void_reply"])
async def test_an_order_that_falls_before_costs_nothing(bench: Bench, source: str) -> None:
    order = bench.order()
    payment = await bench.pay(order, source, bench.later)
    fell = bench.order_event(bench.cancel(order), "order.rejected")
    for _ in range(2):
        await bench.consumer_of(bench.later).handle([fell])
        await bench.settle(bench.later_impatient)
    await bench.settle(bench.later)
    assert await bench.history(payment) == ["started", "authorised", "void_started", "voided"]
    assert await bench.statement(order) == []


async def test_a_lost_reply_to_a_capture_takes_it_once(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_lost_capture_reply", bench.later)
    await bench.consumer_of(bench.later).handle(accept(bench, order))  # type: ignore[arg-type]
    await bench.settle(bench.later_impatient)
    await bench.settle(bench.later)
    assert await bench.state(payment) == "succeeded"
    assert await bench.statement(order) == TAKEN


async def test_an_order_whose_money_is_lost_on_acceptance_falls(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_capture_declined", bench.later)
    await bench.consumer_of(bench.later).handle(accept(bench, order))  # type: ignore[arg-type]
    await bench.settle(bench.later)
    assert await bench.state(payment) == "voided"
    for _ in range(2):
        await bench.consumer_of(bench.later).handle(await bench.events(order))
    assert bench.desk.orders[order.id].state == "cancelled"


async def test_an_order_that_somebody_cancels_at_the_moment_its_money_is_lost_is_just_cancelled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bench.order()
    await bench.pay(order, "tok_capture_declined", bench.later)
    await bench.consumer_of(bench.later).handle(accept(bench, order))  # type: ignore[arg-type]
    await bench.settle(bench.later)
    advance = bench.desk.advance

    async def somebody_first(context: c.CallContext, request: c.AdvanceOrder) -> c.Order:
        bench.desk.put(bench.desk.orders[order.id], "cancelled")
        return await advance(context, request)

    monkeypatch.setattr(bench.desk, "advance", somebody_first)
    bench.desk.told.clear()
    await bench.consumer_of(bench.later).handle(await bench.events(order))
    assert bench.desk.told == [order.id], "it was asked for"


async def test_an_order_whose_money_goes_back_because_it_was_let_go_too_late_falls(bench: Bench) -> None:
    order, quiet = bench.order(), bench.quiet_provider()
    service = bench.service(quiet, at_once=False)
    payment = await bench.pay(order, service=service)
    bench.desk.put(bench.desk.orders[order.id], "preparing")
    await quiet.capture(await bench.row(payment))  # by somebody whose answer was lost
    with pytest.raises(Refusal, match="wrong_state"):
        await service.void_payment(bench.as_platform(), c.PaymentRef(payment_id=payment.id))
    for _ in range(2):
        await bench.settle(service)
        await bench.consumer_of(service).handle(await bench.events(order))
    assert bench.desk.orders[order.id].state == "cancelled", "nobody pays for it any more"
    assert await bench.statement(order) == [*TAKEN, ("refund", -1250)]
    with pytest.raises(Refusal, match="payment_not_found"):  # for a case: nothing was ever taken
        await bench.refund(order, 1250, "case-1", service)


async def test_what_a_case_has_called_off_is_not_given_back_beside_it_whatever_is_heard_late(
    bench: Bench,
) -> None:
    order, service = bench.order(), bench.service(bench.quiet_provider(), at_once=False)
    payment = await bench.pay(order, service=service)
    await service.capture_payment(bench.as_platform(), c.PaymentRef(payment_id=payment.id))
    fallen = bench.desk.put(bench.desk.orders[order.id], "cancelled")
    data = bench.order_event(fallen, "order.called_off").data
    bench.desk.events[order.id] = [msgspec.json.decode(data, type=c.OrderEvent)]
    another = bench.service(bench.quiet_provider(), at_once=False)
    await bench.consumer_of(another).handle(await bench.events(order))  # authorised, long ago
    await bench.settle(another)
    assert await bench.statement(order) == TAKEN, "how much goes back is for the case to say"


async def test_an_authorisation_is_taken_before_it_expires(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, service=bench.later)
    row = await bench.row(payment)
    assert row.next_check_at is not None
    assert row.expires_at is not None and row.next_check_at < row.expires_at
    bench.clock.advance((row.next_check_at - bench.clock()).total_seconds() - 1)
    await bench.later.settlement.settle_due(1000)
    assert await bench.state(payment) == "authorised"
    await bench.settle(bench.later)
    assert await bench.state(payment) == "succeeded"
    assert await bench.statement(order) == TAKEN


async def test_one_that_has_expired_is_lost_and_so_is_the_order(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, service=bench.later)
    bench.clock.advance(8 * 24 * 3600)
    await bench.later.settlement.settle_due(1000)
    await bench.settle(bench.later)
    assert await bench.state(payment) == "voided"
    await bench.consumer_of(bench.later).handle(await bench.events(order))
    assert bench.desk.orders[order.id].state == "cancelled"


async def test_an_order_is_paid_in_two_parts_and_goes_on_when_both_are_in(bench: Bench) -> None:
    order = bench.order()
    first = await bench.pay(order, service=bench.later, amount=1000, key="a")
    assert bench.desk.orders[order.id].state == "awaiting_payment"
    again = await bench.pay(order, service=bench.later, amount=1000, key="a")
    assert again.id == first.id
    with pytest.raises(Refusal, match="payment_not_expected"):
        await bench.pay(order, service=bench.later, amount=251, key="b")
    declined = await bench.pay(order, "tok_declined", bench.later, amount=250, key="c")
    assert declined.state == "declined"
    bench.clock.advance(1)  # what was paid last is given back first
    second = await bench.pay(order, service=bench.later)
    assert (second.amount.amount, second.state) == (250, "authorised")
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"
    await bench.consumer_of(bench.later).handle(accept(bench, order))  # type: ignore[arg-type]
    await bench.settle(bench.later)
    assert sorted(await bench.statement(order)) == [("charge", 250), ("charge", 1000)]
    refund = await bench.refund(order, 1200)
    assert [(part.amount.amount, part.state) for part in refund.parts] == [
        (250, "succeeded"),
        (950, "succeeded"),
    ]
    with pytest.raises(Refusal, match="refund_too_large"):
        await bench.refund(order, 51, "another")


async def test_parts_of_an_order_that_falls_unpaid_are_let_go(bench: Bench) -> None:
    order = bench.order()
    first = await bench.pay(order, service=bench.later, amount=1000, key="a")
    await bench.consumer_of(bench.later).handle(
        [bench.order_event(bench.cancel(order), "order.payment_expired")]
    )
    await bench.settle(bench.later)
    assert await bench.state(first) == "voided"
    assert await bench.statement(order) == []


@pytest.mark.parametrize(
    ("amount", "key", "code"),
    [(100, None, "invalid_request"), (0, "k", "invalid_request"), (1251, "k", "invalid_request")],
)
async def test_a_part_needs_a_key_and_a_sensible_amount(
    bench: Bench, amount: int, key: str | None, code: str
) -> None:
    with pytest.raises(Refusal, match=code):
        await bench.pay(bench.order(), amount=amount, key=key)


async def test_a_key_is_of_one_payment_only(bench: Bench) -> None:
    order = bench.order()
    await bench.pay(order, key="k")
    with pytest.raises(Refusal, match="idempotency_key_reused"):
        await bench.pay(order, "tok_declined", key="k")


async def test_a_hundred_pays_with_one_key_make_one_payment_and_claim_once(bench: Bench) -> None:
    order = bench.order()
    services = [bench.later, bench.service(bench.provider, at_once=False)]
    paid = await asyncio.gather(
        *(bench.pay(order, service=services[n % 2], amount=600, key="k") for n in range(100))
    )
    assert len({payment.id for payment in paid}) == 1
    rest = await bench.pay(order, service=bench.later)
    assert rest.amount.amount == 650


async def test_cash_is_noted_once_on_delivery(bench: Bench) -> None:
    order = bench.order("delivered", "cash")
    online = bench.order("delivered", "online")
    events = [bench.order_event(of, "order.delivered") for of in (order, online)]
    for _ in range(3):
        await bench.consumer.handle(events)
    (payment,) = await bench.all_payments(order)
    assert (payment.method, payment.state, payment.captured) == ("cash", "succeeded", order.total)
    assert await bench.history(payment) == ["collected"]
    assert await bench.all_payments(online) == []


async def test_an_operator_takes_and_lets_go_by_hand_and_others_may_not(bench: Bench) -> None:
    taken, let_go = [await bench.pay(bench.order(), service=bench.later) for _ in range(2)]
    operator = new_context("operator", "o-1", bench.clock())
    for _ in range(2):
        said = await bench.later.capture_payment(operator, c.PaymentRef(payment_id=taken.id))
        assert said.state == "succeeded"
        said = await bench.later.void_payment(operator, c.PaymentRef(payment_id=let_go.id))
        assert said.state == "voided"
    with pytest.raises(Refusal, match="wrong_state"):
        await bench.later.void_payment(operator, c.PaymentRef(payment_id=taken.id))
    with pytest.raises(Refusal, match="wrong_state"):
        await bench.later.capture_payment(operator, c.PaymentRef(payment_id=let_go.id))
    with pytest.raises(Refusal, match="payment_not_found"):
        await bench.later.void_payment(operator, c.PaymentRef(payment_id=f"{taken.order_id}-nobody"))
    customer = bench.as_customer(bench.desk.orders[taken.order_id])
    for step in (bench.later.capture_payment, bench.later.void_payment):
        with pytest.raises(Refusal, match="forbidden"):
            await step(customer, c.PaymentRef(payment_id=taken.id))


async def test_what_is_authorised_is_taken_to_be_given_back(bench: Bench) -> None:
    order = bench.order()
    await bench.pay(order, service=bench.later)
    assert (await bench.refund(order, 250, service=bench.later)).state == "succeeded"
    assert await bench.statement(order) == [("charge", 1250), ("refund", -250)]


async def test_a_notice_that_never_comes_is_found_out_by_asking(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_slow_silent", bench.later)
    assert payment.state == "pending"
    async with asyncio.timeout(10):
        while await bench.state(payment) == "pending":
            await bench.settle(bench.later)
            await asyncio.sleep(0.01)
    assert await bench.state(payment) == "authorised"


async def test_a_payment_of_another_provider_is_left_to_it(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, service=bench.cut_off)

    class Other(type(bench.provider)):  # type: ignore[misc]
        name = "other"

    stranger = bench.service(replace_name(bench, Other))
    await bench.settle(stranger)
    assert await bench.state(payment) == "pending"
    await bench.settle()
    assert await bench.state(payment) == "succeeded"


def replace_name(bench: Bench, kind: type) -> object:
    other = bench.provider_at("http://127.0.0.1:9")
    other.__class__ = kind
    return other
