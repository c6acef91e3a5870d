"""The sandbox as a provider of its own: idempotent, scripted, and not forgetful."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from integration.payments.conftest import serving
from integration.payments.payments_bench import SECRET, Bench, payment_for
from tiffin.services.payments.outcomes import (
    Authorised,
    Charged,
    Declined,
    NeverArrived,
    NoAnswer,
    Refunded,
    RefundFailed,
    Undecided,
    Voided,
    begin_refund,
)
from tiffin.services.payments.payment import Payment
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.refund import Refund
from tiffin.services.payments.sandbox import Delays, create_app

SLOW = Delays(slow_s=3600)


def part(payment: Payment, amount: int, key: str) -> Refund:
    """A refund that is on no record."""
    now, paid = payment.created_at, replace(payment, state="succeeded", captured=payment.amount)
    (change,) = begin_refund({payment.id: paid}, {payment.id: amount}, key, None, now, now, "t")
    assert change.refund
    return change.refund


def at(bench: Bench, session: aiohttp.ClientSession, url: str) -> SandboxProvider:
    return SandboxProvider(session, url, bench.inbox.url, SECRET, timeout_s=2)


async def test_a_key_is_charged_once_and_refunded_once(bench: Bench) -> None:
    payment = payment_for(bench.order(), "a")
    charged = await bench.provider.charge(payment)
    assert isinstance(charged, Charged)
    assert await bench.provider.charge(payment) == charged
    for amount, key in ((1000, "one"), (250, "two")):
        refunded = await bench.provider.refund(payment, part(payment, amount, key))
        assert isinstance(refunded, Refunded) and (refunded.amount, refunded.currency) == (amount, "EUR")
        assert await bench.provider.refund(payment, part(payment, amount, key)) == refunded
    assert await bench.provider.find(payment) == charged
    assert await bench.provider.refund(payment, part(payment, 1, "three")) == RefundFailed(
        "refused_by_provider"
    )
    assert await bench.provider.refund(payment, part(payment, 2, "one")) == RefundFailed(
        "refused_by_provider"
    )


async def test_what_is_authorised_is_captured_or_voided_once_and_then_stays_so(bench: Bench) -> None:
    for steps in (("capture", "void", "capture"), ("void", "capture", "void")):
        payment = payment_for(bench.order(), "a", at_once=False)
        authorised = await bench.provider.charge(payment)
        assert isinstance(authorised, Authorised) and authorised.expires_at is not None
        assert await bench.provider.find(payment) == authorised
        said = [await getattr(bench.provider, step)(payment) for step in steps]
        assert {type(each) for each in said} == {Charged if steps[0] == "capture" else Voided}
        assert await bench.provider.find(payment) == said[0]


async def test_an_authorisation_expires(bench: Bench) -> None:
    payment = payment_for(bench.order(), "a", at_once=False)
    authorised = await bench.provider.charge(payment)
    assert isinstance(authorised, Authorised) and authorised.expires_at is not None
    bench.clock.advance((authorised.expires_at - bench.clock()).total_seconds())
    assert await bench.provider.capture(payment) == Voided(authorised.reference, "expired")


async def test_a_key_used_for_another_charge_is_refused(bench: Bench) -> None:
    payment = payment_for(bench.order(), "a")
    await bench.provider.charge(payment)
    assert isinstance(await bench.provider.charge(replace(payment, amount=1)), NoAnswer)
    assert isinstance(await bench.provider.charge(replace(payment, at_once=False)), NoAnswer)
    assert isinstance(await bench.provider.find(payment), Charged)


async def test_what_was_never_charged_is_not_found_and_not_refunded(bench: Bench) -> None:
    payment = payment_for(bench.order(), "a", "tok_declined")
    assert await bench.provider.find(payment) == NeverArrived()
    assert isinstance(await bench.provider.refund(payment, part(payment, 1, "r")), RefundFailed)
    await bench.provider.charge(payment)
    assert isinstance(await bench.provider.find(payment), Declined)
    assert isinstance(await bench.provider.refund(payment, part(payment, 1, "r")), RefundFailed)


async def test_charges_survive_the_end_of_the_process_and_pending_ones_go_on(
    bench: Bench, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    order = bench.order()
    journal = tmp_path / "journal"
    bench.clock.advance(1)
    now = bench.clock().timestamp
    async with serving(await create_app(SECRET, now, journal, SLOW)) as url:
        provider = at(bench, session, url)
        payment = await bench.pay(order, "tok_slow", bench.service(provider))
        other = payment_for(order, "other")
        await provider.charge(other)
        assert await provider.find(await bench.row(payment)) == Undecided()
    bench.clock.advance(3600)
    now = bench.clock().timestamp
    async with serving(await create_app(SECRET, now, journal, SLOW)) as url:
        await bench.inbox.next(payment.id)
        provider = at(bench, session, url)
        assert isinstance(await provider.find(await bench.row(payment)), Charged)
        assert isinstance(await provider.find(other), Charged)
    assert await bench.state(payment) == "succeeded"


async def test_a_notice_that_is_not_taken_is_sent_again(bench: Bench, session: aiohttp.ClientSession) -> None:
    order = bench.order()
    payments, bench.inbox.payments = bench.inbox.payments, None  # our side answers 404
    delays = Delays(slow_s=0, webhook_retries_s=(0.01,) * 500)
    async with serving(await create_app(SECRET, lambda: bench.clock().timestamp(), None, delays)) as url:
        payment = await bench.pay(order, "tok_slow", bench.service(at(bench, session, url)))
        await asyncio.wait_for(bench.inbox.failed.wait(), 10)
        bench.inbox.payments = payments
        await bench.inbox.next(payment.id)
    assert await bench.state(payment) == "succeeded"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/charges", b"", 422),
        ("POST", "/charges", b"[]", 422),
        ("POST", "/charges", b'{"key": "k"}', 422),
        ("POST", "/charges", b'{"key":"k","amount":-1,"currency":"EUR","source":"s","webhook_url":""}', 422),
        ("POST", "/charges", b'{"key":"k","amount":1.5,"currency":"EUR","source":"s","webhook_url":""}', 422),
        ("POST", "/charges", b'{"key":"k","amount":1,"currency":"euro","source":"s","webhook_url":""}', 422),
        ("POST", "/charges", b"x" * 100_000, 413),
        ("GET", "/charges/nobody", None, 404),
        ("POST", "/charges/nobody/capture", b"", 404),
        ("POST", "/charges/nobody/void", b"", 404),
        ("POST", "/charges/nobody/refund", b"{}", 422),
        ("GET", "/statement?after=x", None, 422),
        ("GET", "/statement?after=-5&limit=-5", None, 200),
    ],
)
async def test_bad_requests_are_told_so(
    session: aiohttp.ClientSession, sandbox_url: str, method: str, path: str, body: Any, status: int
) -> None:
    async with session.request(method, sandbox_url + path, data=body) as response:
        assert response.status == status
