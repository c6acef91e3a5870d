"""What the platform owes a customer pays their orders, never more than there is; cash goes back to it."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from integration.payments.payments_bench import Bench, payment_for
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.outcomes import Authorised, Charged, NeverArrived, Voided
from tiffin.services.payments.service import PaymentsService
from tiffin.services.payments.through_balance import BalanceMover

TOTAL = 1250


def accepted(bench: Bench, order: c.Order) -> list[Any]:
    return [bench.order_event(bench.desk.put(bench.desk.orders[order.id], "preparing"), "order.accepted")]


async def hear(bench: Bench, service: PaymentsService, events: list[Any]) -> None:
    await PaymentsConsumer(service.settlement, bench.desk, bench.clock).handle(events)  # type: ignore[arg-type]
    await bench.settle(service)


async def test_a_balance_is_held_taken_on_acceptance_and_given_back_to(bench: Bench) -> None:
    order = bench.order()
    await bench.owe(order, 2000)
    paid = await bench.pay_by_balance(order, bench.later)
    assert (paid.method, paid.state) == ("balance", "authorised")
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"
    assert await bench.accounts_of(order) == {"credit": 750, "held": TOTAL, "customer": 0}
    await hear(bench, bench.later, accepted(bench, order))
    assert await bench.accounts_of(order) == {"credit": 750, "held": 0, "customer": TOTAL}
    for _ in range(2):
        refund = await bench.refund(order, 300, service=bench.later)
        assert (refund.state, refund.parts[0].to) == ("succeeded", "balance")
    assert await bench.accounts_of(order) == {"credit": 1050, "held": 0, "customer": TOTAL - 300}
    assert await bench.statement(order) == [], "no provider has had anything to do with it"
    assert await bench.history(paid) == [
        "started", "authorised", "capture_started", "succeeded", "refund_started", "refunded",
    ]  # fmt: skip


async def test_an_order_that_falls_lets_go_of_what_was_held(bench: Bench) -> None:
    order = bench.order()
    await bench.owe(order, TOTAL)
    paid = await bench.pay_by_balance(order, bench.later)
    fell = bench.order_event(bench.cancel(order), "order.rejected")
    await hear(bench, bench.later, [fell, fell])
    assert await bench.state(paid) == "voided"
    assert await bench.accounts_of(order) == {"credit": TOTAL, "held": 0, "customer": 0}


async def test_balance_and_card_pay_one_order_together_and_both_go_back_to_where_they_came_from(
    bench: Bench,
) -> None:
    order = bench.order()
    await bench.owe(order, 400)
    first = await bench.pay_by_balance(order, amount=400, key="first")
    assert bench.desk.orders[order.id].state == "awaiting_payment"
    again = await bench.pay_by_balance(order, amount=400, key="first")
    assert (again.id, again.state) == (first.id, "succeeded")
    rest = await bench.pay(order)
    assert (rest.method, rest.amount.amount) == ("card", 850)
    assert bench.desk.orders[order.id].state == "awaiting_acceptance"
    fell = bench.order_event(bench.cancel(order), "order.rejected")
    await hear(bench, bench.payments, [fell])
    assert await bench.accounts_of(order) == {"credit": 400, "held": 0, "customer": 0}
    assert await bench.statement(order) == [("charge", 850), ("refund", -850)]


async def test_more_than_there_is_is_declined_and_something_else_can_pay(bench: Bench) -> None:
    order = bench.order()
    await bench.owe(order, TOTAL - 1)
    declined = await bench.pay_by_balance(order)
    assert (declined.state, declined.decline_reason) == ("declined", "insufficient_balance")
    assert (await bench.pay(order)).state == "succeeded"
    assert (await bench.accounts_of(order))["credit"] == TOTAL - 1
    nothing = bench.order()
    assert (await bench.pay_by_balance(nothing)).state == "declined"


async def test_a_balance_never_pays_more_than_there_is_however_many_orders_at_once(bench: Bench) -> None:
    orders = [bench.order()]
    while len(orders) < 12:
        other = bench.order()
        orders.append(
            msgspec.structs.replace(
                orders[0], id=str((int(other.id) >> 20 << 20) | int(orders[0].id) & ((1 << 20) - 1))
            )
        )
        bench.desk.orders[orders[-1].id] = orders[-1]
    await bench.owe(orders[0], 5 * TOTAL + 7)
    services = (bench.later, bench.payments)
    paid = await asyncio.gather(
        *(bench.pay_by_balance(order, services[n % 2]) for n, order in enumerate(orders))
    )
    states = [payment.state for payment in paid]
    assert states.count("declined") == 7, states
    assert (await bench.accounts_of(orders[0]))["credit"] == 7


class Forgetful:
    """A ledger whose answers are lost after the deed, so many of them."""

    def __init__(self, ledger: Any, lost: int) -> None:
        self._ledger, self.lost = ledger, lost

    async def entries(self, *arguments: Any) -> Any:
        return await self._ledger.entries(*arguments)

    async def enter(self, *arguments: Any) -> Any:
        answer = await self._ledger.enter(*arguments)
        if self.lost:
            self.lost -= 1
            raise Unavailable("no_answer", "lost")
        return answer


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_answer_lost_after_the_deed_is_found_out_and_holds_once(bench: Bench, at_once: bool) -> None:
    order = bench.order()
    await bench.owe(order, 2 * TOTAL)
    service = bench.service(bench.provider, at_once, Forgetful(bench.ledger, 1))
    paid = await bench.pay_by_balance(order, service, key="k")
    assert paid.state == "pending"
    assert (await bench.pay_by_balance(order, service, key="k")).state == "authorised"
    await hear(bench, service, accepted(bench, order))
    assert (await bench.refund(order, 100, service=service)).state == "succeeded"
    assert await bench.accounts_of(order) == {"credit": TOTAL + 100, "held": 0, "customer": TOTAL - 100}


@pytest.mark.parametrize("first", ["capture", "void"])
async def test_a_hold_ends_once_and_the_second_is_told_how(bench: Bench, first: str) -> None:
    order = bench.order()
    await bench.owe(order, TOTAL)
    mover = BalanceMover(bench.ledger, bench.clock)
    payment = replace(payment_for(order, "a", "balance", at_once=False), method="balance", provider="balance")
    assert await mover.find(payment) == NeverArrived()
    for _ in range(2):
        assert isinstance(await mover.charge(payment), Authorised)
        assert isinstance(await mover.find(payment), Authorised)
    ended = Charged if first == "capture" else Voided
    assert isinstance(await getattr(mover, first)(payment), ended)
    for ask in (mover.void, mover.capture, mover.find):
        assert isinstance(await ask(payment), ended)
    credit = TOTAL if first == "void" else 0
    assert await bench.accounts_of(order) == {"credit": credit, "held": 0, "customer": 0}


async def test_taken_and_let_go_at_once_end_as_one_of_the_two(bench: Bench) -> None:
    for _ in range(10):
        order = bench.order()
        await bench.owe(order, TOTAL)
        paid = await bench.pay_by_balance(order, bench.later)
        operator = new_context("operator", "o-1", bench.clock())
        ref = c.PaymentRef(payment_id=paid.id)
        await asyncio.gather(
            bench.later.capture_payment(operator, ref), bench.payments.void_payment(operator, ref),
            return_exceptions=True,
        )  # fmt: skip
        await bench.settle(bench.later)
        state = await bench.state(paid)
        assert state in ("succeeded", "voided", "refunded")
        taken = TOTAL if state == "succeeded" else 0
        assert await bench.accounts_of(order) == {"credit": TOTAL - taken, "held": 0, "customer": taken}


async def test_cash_goes_back_to_the_balance_noted_yet_or_not(bench: Bench) -> None:
    for is_noted in (True, False):
        order = bench.order("delivered", "cash")
        if is_noted:
            await bench.consumer.handle([bench.order_event(order, "order.delivered")])
        for _ in range(2):
            refund = await bench.refund(order, 300)
            assert (refund.state, refund.parts[0].to) == ("succeeded", "balance")
        with pytest.raises(Refusal, match="refund_too_large"):
            await bench.refund(order, TOTAL - 299, "more")
        assert (await bench.accounts_of(order))["credit"] == 300
        (payment,) = await bench.all_payments(order)
        assert await bench.history(payment) == ["collected", "refund_started", "refunded"]
    early = bench.order("delivering", "cash")
    with pytest.raises(Refusal, match="payment_not_found"):
        await bench.refund(early, 1)


async def test_what_a_provider_does_not_give_back_can_go_to_the_balance(bench: Bench) -> None:
    order = bench.order()
    await bench.pay(order, "tok_refund_failed")
    assert (await bench.refund(order, TOTAL, "card")).state == "failed"
    request = c.RefundPayment(
        order_id=order.id, amount=c.Money(amount=TOTAL, currency="EUR"), key="balance", to="balance"
    )
    for _ in range(2):
        refund = await bench.payments.refund(bench.as_platform(), request)
        assert (refund.state, refund.parts[0].to) == ("succeeded", "balance")
    assert await bench.accounts_of(order) == {"credit": TOTAL, "held": 0, "customer": 0}
    told = await bench.ledger.entries(bench.as_platform(), c.EntriesOf(order_id=order.id))
    moved: Counter[str] = Counter()
    for posting in (posting for entry in told.entries for posting in entry.postings):
        moved[posting.account] += posting.amount
    assert moved["provider:clearing:balance"] == 0
    assert moved["provider:clearing:sandbox"] == -TOTAL, "the provider has it still"
    elsewhere = msgspec.structs.replace(request, key="card")
    with pytest.raises(Refusal, match="idempotency_key_reused"):
        await bench.payments.refund(bench.as_platform(), elsewhere)


async def test_an_operator_gives_back_by_hand_only_what_fell_without_a_case(bench: Bench) -> None:
    async def by_hand(order: c.Order) -> c.Refund:
        money = c.Money(amount=TOTAL, currency="EUR")
        asked = c.RefundPayment(order_id=order.id, amount=money, key="by hand", to="balance")
        return await bench.payments.refund(new_context("operator", "o-1", bench.clock()), asked)

    order = bench.order()
    await bench.pay(order, "tok_refund_failed")
    with pytest.raises(Refusal, match="not_refundable"):
        await by_hand(order)
    fell = bench.order_event(bench.cancel(order), "order.cancelled")
    await hear(bench, bench.payments, [fell])
    assert (await by_hand(order)).state == "succeeded"
    by_case = bench.order()
    await bench.pay(by_case)
    bench.cancel(by_case)
    bench.desk.events[by_case.id] = [
        c.OrderEvent(
            order_id=by_case.id, version=3, type="order.called_off", to_state="cancelled",
            actor=c.Caller(role="system", id="reverse"), at=by_case.updated_at, request_id="r",
            customer_id=by_case.customer_id, restaurant_id=by_case.restaurant_id,
        )
    ]  # fmt: skip
    with pytest.raises(Refusal, match="not_refundable"):
        await by_hand(by_case)


@pytest.mark.parametrize(
    "request_", [{"method": "balance", "source": "tok_ok"}, {"method": "card"}, {}], ids=str
)
async def test_a_card_needs_a_source_and_a_balance_has_none(bench: Bench, request_: dict[str, str]) -> None:
    order = bench.order()
    request = c.PayOrder(order_id=order.id, **request_)  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="invalid_request"):
        await bench.payments.pay(bench.as_customer(order), request)
