"""Refunds by amount and key: each once, never more than was taken, whoever asks at the same moment."""

import asyncio
from collections import Counter

import asyncpg
import pytest

from integration.payments.payments_bench import Bench
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.outcomes import NoAnswer
from tiffin.sharding.order_id import customer_shard


async def back(bench: Bench, order: c.Order) -> int:
    """What the provider has given back of an order."""
    return -sum(amount for kind, amount in await bench.statement(order) if kind == "refund")


async def test_refunds_in_parts_are_told_of_and_add_up(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order)
    for key, amount in (("a", 500), ("b", 700), ("a", 500)):
        refund = await bench.refund(order, amount, key)
        assert (refund.state, refund.amount.amount, refund.key) == ("succeeded", amount, key)
        found = await bench.payments.find_refund(bench.as_platform(), c.RefundRef(refund_id=refund.id))
        assert found == refund
    listed = await bench.payments.list_payments(bench.as_customer(order), c.PaymentsOf(order_id=order.id))
    assert listed.captured and listed.refunded and listed.refunding
    assert [each.amount for each in (listed.captured, listed.refunding, listed.refunded)] == [1250, 0, 1200]
    assert [refund.amount.amount for refund in listed.refunds or []] == [500, 700]
    told = [event.type.removeprefix("payment.") for event in await bench.events(order)]
    assert told == ["started", "succeeded", *["refund_started", "refunded"] * 2]
    assert await bench.state(payment) == "succeeded"
    assert await back(bench, order) == 1200


async def test_more_than_was_taken_is_refused_and_moves_nothing(bench: Bench) -> None:
    order = bench.order()
    await bench.pay(order)
    with pytest.raises(Refusal, match="refund_too_large"):
        await bench.refund(order, 1251)
    await bench.refund(order, 1250, "all")
    with pytest.raises(Refusal, match="refund_too_large"):
        await bench.refund(order, 1, "more")
    assert await back(bench, order) == 1250


async def test_the_database_itself_refuses_more_than_was_taken(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order)
    shard = customer_shard(int(order.id))
    for spoilt in ("refunded = 1251", "refunding = 1251", "captured = 1251", "captured = 0, refunding = 1"):
        with pytest.raises(asyncpg.CheckViolationError):
            await bench.router.node("customer", shard).execute(
                f"UPDATE payments.payments SET {spoilt} WHERE shard = $1 AND id = $2", shard, payment.id
            )


async def test_a_key_is_of_one_refund_only(bench: Bench) -> None:
    order = bench.order()
    await bench.pay(order)
    await bench.refund(order, 500)
    with pytest.raises(Refusal, match="idempotency_key_reused"):
        await bench.refund(order, 501)


async def test_what_cannot_be_given_back_is_refused(bench: Bench) -> None:
    unpaid = bench.order()
    with pytest.raises(Refusal, match="payment_not_found"):
        await bench.refund(unpaid, 1)
    declined = await bench.pay(unpaid, "tok_declined")
    with pytest.raises(Refusal, match="not_refundable"):
        await bench.refund(unpaid, 1)
    with pytest.raises(Refusal, match="not_refundable"):
        await bench.refund(unpaid, 1, payment=declined)
    order = bench.order()
    await bench.pay(order)
    with pytest.raises(Refusal, match="invalid_request"):
        await bench.refund(order, 0)
    euros = c.RefundPayment(order_id=order.id, amount=c.Money(amount=1, currency="USD"), key="k")
    with pytest.raises(Refusal, match="currency_mismatch"):
        await bench.payments.refund(bench.as_platform(), euros)
    mine = c.RefundPayment(order_id=order.id, amount=c.Money(amount=1, currency="EUR"), key="k")
    for role in ("customer", "restaurant", "courier"):
        with pytest.raises(Refusal, match="forbidden"):
            await bench.payments.refund(new_context(role, order.customer_id, bench.clock()), mine)
    assert await back(bench, order) == 0


async def test_a_refund_that_fails_frees_its_amount_for_another_key(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_refund_failed")
    failed = await bench.refund(order, 1250, "a")
    assert (failed.state, failed.parts[0].failure) == ("failed", "account_closed")
    assert (await bench.refund(order, 1250, "a")).state == "failed", "the same key is the same refund"
    assert (await bench.refund(order, 1250, "b")).state == "failed"
    assert (await bench.row(payment)).left == 1250
    types = [event.type for event in await bench.events(order)]
    assert types.count("payment.refund_failed") == 2


async def test_a_refund_decided_later_is_heard_of_by_notice(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, "tok_slow_refund")
    assert (await bench.refund(order, 300)).state in ("pending", "succeeded"), "the notice may be quicker"
    await bench.inbox.next(payment.id)  # of the charge
    await bench.inbox.next(payment.id)
    assert (await bench.refund(order, 300)).state == "succeeded"
    assert await back(bench, order) == 300


@pytest.mark.parametrize("read", ["find", "refund_parts"])
async def test_a_refunds_end_that_another_hears_of_between_two_reads_is_counted_once(
    bench: Bench, read: str
) -> None:
    order, quiet = bench.order(), bench.quiet_provider()
    payment = await bench.pay(order, service=bench.service(quiet))
    for key, amount in (("a", 500), ("b", 700)):
        await bench.refund(order, amount, key, service=bench.cut_off)
    ours, another = bench.service(quiet).settlement, bench.service(quiet).settlement
    part = next(part for part in await ours.store.refunds_of_order(int(order.id)) if part.key == "a")
    outcome = await quiet.refund(await bench.row(payment), part)
    really_read = getattr(ours.store, read)

    async def read_before_another_hears(key: str) -> object:
        found = await really_read(key)
        await another.record_refund(part, outcome, "t")
        return found

    setattr(ours.store, read, read_before_another_hears)
    for _ in range(2):  # the second time with a part that has long ended
        await ours.record_refund(part, outcome, "t")
        row = await bench.row(payment)
        assert (row.refunding, row.refunded) == (700, 500)
    await bench.settle()
    row = await bench.row(payment)
    assert (row.refunding, row.refunded) == (0, await back(bench, order)) == (0, 1200)


async def test_a_hundred_refunds_with_one_key_at_once_give_back_once(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order)
    services = [bench.payments, bench.service(bench.provider)]
    refunds = await asyncio.gather(*(bench.refund(order, 400, "k", services[n % 2]) for n in range(100)))
    assert len({refund.id for refund in refunds}) == 1
    await bench.settle()
    assert (await bench.row(payment)).refunded == await back(bench, order) == 400


async def test_refunds_of_many_keys_at_once_never_exceed_what_was_taken(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order)
    services = [bench.payments, bench.service(bench.provider)]
    results = await asyncio.gather(
        *(bench.refund(order, 400, f"k{n}", services[n % 2]) for n in range(40)), return_exceptions=True
    )
    given = [result for result in results if isinstance(result, c.Refund)]
    refused = [result for result in results if isinstance(result, Refusal)]
    assert (len(given), len(given) + len(refused)) == (3, 40)
    assert {refusal.code for refusal in refused} == {"refund_too_large"}
    assert (await bench.row(payment)).refunded == await back(bench, order) == 1200


async def test_a_refund_out_of_two_payments_is_all_or_nothing(bench: Bench) -> None:
    order = bench.order()
    await bench.pay(order, amount=1000, key="a")
    await bench.pay(order, amount=250, key="b")
    results = await asyncio.gather(
        *(bench.refund(order, 1100, f"k{n}") for n in range(20)), return_exceptions=True
    )
    assert len([result for result in results if isinstance(result, c.Refund)]) == 1
    await bench.settle()
    assert await back(bench, order) == 1100
    parts = await bench.payments.settlement.store.refunds_of_order(int(order.id))
    assert sorted(part.amount for part in parts) == [250, 850]


STEPS = ("capture", "void", "refund", "cancel", "notice", "settle")


async def _step(bench: Bench, name: str, order: c.Order, payment: c.Payment) -> None:
    service = bench.later
    ref = c.PaymentRef(payment_id=payment.id)
    try:
        match name:
            case "capture":
                await service.capture_payment(bench.as_platform(), ref)
            case "void":
                await service.void_payment(bench.as_platform(), ref)
            case "refund":
                await bench.refund(order, 700, service=service)
            case "cancel":
                fell = bench.order_event(bench.cancel(order), "order.cancelled")
                await bench.consumer_of(service).handle([fell])
            case "notice":
                row = await bench.row(payment)
                await service.settlement.record(row, await bench.provider.find(row), "t")
            case _:
                await service.settlement.settle_due(1000)
    except Refusal:
        pass


@pytest.mark.parametrize("second", STEPS)
@pytest.mark.parametrize("first", STEPS)
async def test_two_steps_at_once_leave_our_record_and_the_providers_the_same(
    bench: Bench, first: str, second: str, rounds: int
) -> None:
    for _ in range(rounds):
        order = bench.order()
        payment = await bench.pay(order, service=bench.later)
        await asyncio.gather(_step(bench, first, order, payment), _step(bench, second, order, payment))
        await bench.settle(bench.later)
        await bench.consumer_of(bench.later).handle(await bench.events(order))
        await bench.settle(bench.later)
        row = await bench.row(payment)
        moved = await bench.statement(order)
        assert sum(amount for kind, amount in moved if kind == "charge") == row.captured
        assert await back(bench, order) == row.refunded <= row.captured <= row.amount
        assert [kind for kind, _ in moved].count("charge") <= 1
        assert row.refunding == 0
        assert row.state in ("authorised", "succeeded", "voided")
        if "cancel" in (first, second):
            assert row.captured == row.refunded
        elif "refund" in (first, second) and row.captured:
            assert row.refunded in ((700, 1250) if "void" in (first, second) else (700,))
        assert len(await bench.history(payment)) == row.version


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    return 100 if request.config.getoption("markexpr") == "soak" else 3


async def _lose_replies(bench: Bench, orders: int) -> None:
    """Every reply to every step is lost after it has worked; everything is asked for again and again. Three
    orders of four are taken and given back in part, the fourth is let go."""

    class Loses(type(bench.provider)):  # type: ignore[misc]
        """Each first answer to a question never comes."""

        def __init__(self) -> None:
            self.__dict__ |= bench.provider.__dict__
            self.lost: set[tuple[str, str]] = set()

        async def _send(self, method, path, body):  # type: ignore[no-untyped-def]
            answer = await super()._send(method, path, body)
            if method == "POST" and (path, str(body)) not in self.lost:
                self.lost.add((path, str(body)))
                return NoAnswer("lost")
            return answer

    service = bench.service(Loses(), at_once=False)
    consumer = bench.consumer_of(service)

    async def one(is_let_go: bool) -> None:
        order = bench.order()
        for _ in range(3):
            await bench.pay(order, service=service, key="pay")
        await bench.settle(service)
        for _ in range(3):
            paid = await bench.pay(order, service=service, key="pay")
        if is_let_go:
            await let_go(paid)
        else:
            await take_and_give_back(order, paid)

    async def let_go(paid: c.Payment) -> None:
        for _ in range(3):
            await service.void_payment(bench.as_platform(), c.PaymentRef(payment_id=paid.id))
        async with asyncio.timeout(60):
            while await bench.state(paid) != "voided":
                await bench.settle(service)  # or somebody beside us is at it
        done[paid.order_id] = []

    async def take_and_give_back(order: c.Order, paid: c.Payment) -> None:
        accepted = bench.order_event(
            bench.desk.put(bench.desk.orders[order.id], "preparing"), "order.accepted"
        )
        await consumer.handle([accepted])
        ref = c.PaymentRef(payment_id=paid.id)
        for _ in range(3):
            await service.capture_payment(bench.as_platform(), ref)
        await bench.refund(order, 300, service=service)
        async with asyncio.timeout(60):
            while (await bench.refund(order, 300, service=service)).state == "pending":
                await bench.settle(service)  # or somebody beside us is at it
        row = await bench.row(paid)
        assert (row.state, row.captured, row.refunded) == ("succeeded", 1250, 300)
        done[order.id] = [("charge", 1250), ("refund", -300)]

    done: dict[str, list[tuple[str, int]]] = {}
    for start in range(0, orders, 50):
        numbers = range(start, min(start + 50, orders))
        await asyncio.gather(*(one(is_let_go=number % 4 == 3) for number in numbers))
    moved = await bench.statement_of_all()
    assert len(done) == orders
    for order_id, expected in done.items():
        assert moved.get(order_id, []) == expected
    lost = Counter(path.rpartition("/")[2] for path, _ in service._provider.lost)
    kept = orders - orders // 4
    assert lost == {"charges": orders, "capture": kept, "void": orders // 4, "refund": kept}


async def test_replies_lost_after_success_two_hundred_times_charge_once_each(bench: Bench) -> None:
    await _lose_replies(bench, 200)


@pytest.mark.soak
async def test_replies_lost_after_success_ten_thousand_times_charge_once_each(bench: Bench) -> None:
    await _lose_replies(bench, 10_000)


async def test_who_asks_is_told_which_orders_have_money_on_its_way(bench: Bench) -> None:
    settled, pending, returning = bench.order(), bench.order(), bench.order()
    await bench.pay(settled)
    await bench.refund(settled, 500)
    paid = {order.id: await bench.pay(order) for order in (pending, returning)}
    for order, change in ((pending, "state = 'capturing'"), (returning, "refunding = 1")):
        shard = customer_shard(int(order.id))
        await bench.router.node("customer", shard).execute(
            f"UPDATE payments.payments SET {change} WHERE shard = $1 AND id = $2", shard, paid[order.id].id
        )
    asked = c.OrderIds(order_ids=[order.id for order in (settled, pending, returning)] + ["0", "x"])
    told = await bench.payments.unsettled(bench.as_platform(), asked)
    assert set(told.order_ids) == {pending.id, returning.id}
    with pytest.raises(Refusal, match="forbidden"):
        await bench.payments.unsettled(bench.as_customer(settled), asked)
