"""A notice is believed for its signature, and changes nothing that is not so."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from integration.payments.payments_bench import SECRET, Bench
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.sandbox.webhooks import sign


def told(payment: c.Payment, **other: object) -> str:
    body = {"key": payment.id, "reference": "ch_1", "state": "succeeded", "amount": 1250, "currency": "EUR"}
    return msgspec.json.encode(body | other).decode()


async def take(bench: Bench, body: str, signature: str | None = None) -> bool:
    if signature is None:
        signature = sign(body, SECRET, bench.clock().timestamp())
    context = new_context("system", "provider", bench.clock())
    return (await bench.payments.take_notice(context, c.ProviderNotice(body=body, signature=signature))).known


async def pending(bench: Bench) -> c.Payment:
    """A payment of which nothing has been heard yet."""
    payment = await bench.pay(bench.order(), service=bench.cut_off)
    assert payment.state == "pending"
    return payment


async def test_a_good_notice_settles_the_payment(bench: Bench) -> None:
    payment = await pending(bench)
    assert await take(bench, told(payment)) is True
    assert await bench.state(payment) == "succeeded"
    assert bench.desk.orders[payment.order_id].state == "awaiting_acceptance"


async def test_notices_repeated_late_and_out_of_order_change_nothing_twice(bench: Bench) -> None:
    payment = await pending(bench)
    for state in ("succeeded", "pending", "succeeded", "pending", "succeeded"):
        assert await take(bench, told(payment, state=state)) is True
    assert await bench.history(payment) == ["started", "succeeded"]
    assert bench.desk.told.count(payment.order_id) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"amount": 1249},
        {"amount": 125000},
        {"currency": "USD"},
        {"state": "voided", "after": "succeeded"},
        {"state": "declined", "after": "succeeded"},
    ],
    ids=str,
)
async def test_a_notice_that_cannot_be_true_changes_nothing(bench: Bench, other: dict[str, object]) -> None:
    payment = await pending(bench)
    before = "pending"
    if other.pop("after", None):
        await take(bench, told(payment))
        before = "succeeded"
    assert await take(bench, told(payment, **other)) is True
    assert await bench.state(payment) == before


async def test_a_charge_of_another_amount_is_never_taken_as_paid(bench: Bench) -> None:
    order = bench.order()
    payment = await bench.pay(order, service=bench.cut_off)
    await bench.provider.charge(replace(await bench.row(payment), amount=1))
    await bench.settle()
    assert await bench.state(payment) == "pending"
    assert bench.desk.orders[order.id].state == "awaiting_payment"


FORGERIES: dict[str, Callable[[str, int], tuple[str, str]]] = {
    "another secret": lambda body, now: (body, sign(body, b"another", now)),
    "body altered": lambda body, now: (body.replace("1250", "1251"), sign(body, SECRET, now)),
    "too old": lambda body, now: (body, sign(body, SECRET, now - 301)),
    "from the future": lambda body, now: (body, sign(body, SECRET, now + 301)),
    "time altered": lambda body, now: (body, sign(body, SECRET, now - 301).replace(str(now - 301), str(now))),
    "no signature": lambda body, now: (body, ""),
    "no time": lambda body, now: (body, "v1=" + "0" * 64),
    "no digest": lambda body, now: (body, f"t={now}"),
    "digits of another script": lambda body, now: (body, f"t=١٢٣,v1={'0' * 64}"),
    "nonsense": lambda body, now: (body, "t=x,v1=y"),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_notice_is_refused(
    bench: Bench, forgery: Callable[[str, int], tuple[str, str]]
) -> None:
    order = bench.order()
    payment = await bench.pay(order, service=bench.cut_off)
    body, signature = forgery(told(payment), int(bench.clock().timestamp()))
    with pytest.raises(Refusal, match="bad_signature"):
        await take(bench, body, signature)
    assert await bench.state(payment) == "pending"


async def test_a_notice_just_young_enough_is_taken(bench: Bench) -> None:
    payment = await pending(bench)
    body = told(payment)
    assert await take(bench, body, sign(body, SECRET, bench.clock().timestamp() - 300))
    assert await bench.state(payment) == "succeeded"


@pytest.mark.parametrize(
    "key", ["", "x", "12-a", "-1-a", f"{2**70}-a", "٣-a", "1234567890123-nobody", "a\0b", "1048576000-\0"]
)
async def test_a_notice_of_a_payment_nobody_knows_is_taken_and_forgotten(bench: Bench, key: str) -> None:
    body = {"key": key, "reference": "x", "state": "succeeded", "amount": 1, "currency": "EUR"}
    assert await take(bench, msgspec.json.encode(body).decode()) is False


@pytest.mark.parametrize("body", ["", "{}", "[]", "null", '{"key": 1}', "\0", "{" * 1000])
async def test_a_signed_notice_that_says_nothing_is_refused(bench: Bench, body: str) -> None:
    with pytest.raises(Refusal, match="invalid_request"):
        await take(bench, body)
