"""The sandbox as a provider of its own: idempotent, scripted, and not forgetful."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from integration.payments.conftest import serving
from integration.payments.payments_bench import SECRET, Bench
from tiffin.services.payments.outcomes import Charged, Declined, NeverArrived, NoAnswer, Refunded, Undecided
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.sandbox import Delays, create_app

SLOW = Delays(slow_s=3600)


def at(bench: Bench, session: aiohttp.ClientSession, url: str) -> SandboxProvider:
    return SandboxProvider(session, url, bench.inbox.url, SECRET, timeout_s=2)


async def test_a_key_is_charged_once_and_refunded_once(bench: Bench) -> None:
    key = f"{bench.order().id}-a"
    charged = await bench.provider.charge(key, 1250, "EUR", "tok_ok")
    assert isinstance(charged, Charged)
    assert await bench.provider.charge(key, 1250, "EUR", "tok_ok") == charged
    refunded = await bench.provider.refund(key, f"{key}:refund")
    assert refunded == Refunded(charged.reference, 1250, "EUR")
    assert await bench.provider.refund(key, f"{key}:refund") == refunded
    assert await bench.provider.find(key) == refunded
    assert isinstance(await bench.provider.refund(key, "another"), NoAnswer)


async def test_a_key_used_for_another_charge_is_refused(bench: Bench) -> None:
    key = f"{bench.order().id}-a"
    await bench.provider.charge(key, 1250, "EUR", "tok_ok")
    assert isinstance(await bench.provider.charge(key, 1, "EUR", "tok_ok"), NoAnswer)
    assert isinstance(await bench.provider.find(key), Charged)


async def test_what_was_never_charged_is_not_found_and_not_refunded(bench: Bench) -> None:
    key = f"{bench.order().id}-a"
    assert await bench.provider.find(key) == NeverArrived()
    assert await bench.provider.refund(key, "r") == NeverArrived()
    await bench.provider.charge(key, 1250, "EUR", "tok_declined")
    assert isinstance(await bench.provider.find(key), Declined)
    assert isinstance(await bench.provider.refund(key, "r"), NoAnswer)


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
        await provider.charge("other", 5, "EUR", "tok_ok")
        assert await provider.find(payment.id) == Undecided()
    bench.clock.advance(3600)
    now = bench.clock().timestamp
    async with serving(await create_app(SECRET, now, journal, SLOW)) as url:
        await bench.inbox.next(payment.id)
        provider = at(bench, session, url)
        assert isinstance(await provider.find(payment.id), Charged)
        assert isinstance(await provider.find("other"), Charged)
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
