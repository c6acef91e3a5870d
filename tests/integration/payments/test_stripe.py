"""Stripe's own library against localstripe, a server that behaves like Stripe's.

localstripe knows neither idempotency keys nor webhooks of payments, and refunds more than was charged: what
the real one does about those is not tried here.
"""

import asyncio
import hmac
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from integration.payments.payments_bench import Bench
from integration.payments.test_sandbox import part
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.payments.outcomes import Authorised, Charged, NoAnswer, Refunded, Voided
from tiffin.services.payments.service import PaymentsService
from tiffin.services.payments.stripe_statement import stripe_statement
from tiffin.services.payments.through_stripe import StripeProvider, stripe_client

WEBHOOK_SECRET = "whsec_between_the_two"
SERVER = str(Path(__file__).parents[2] / "localstripe_server.py")
GOOD, BAD = "4242424242424242", "4000000000000341"


@pytest.fixture(scope="module")
async def stripe_url(
    session: aiohttp.ClientSession, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    home = tmp_path_factory.mktemp("localstripe")
    while True:  # its port may be taken before it is there
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with Path(os.devnull).open("wb") as nowhere:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-W", "ignore", SERVER, "--port", str(port), "--from-scratch",
                cwd=home, env={**os.environ, "HOME": str(home)}, stdout=nowhere, stderr=nowhere,
            )  # fmt: skip
        url = f"http://localhost:{port}"
        if await _is_up(session, url, process):
            break
    yield url
    process.kill()
    await process.wait()


async def _is_up(session: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process) -> bool:
    """Wait for it; there is nothing to be told by. False: it has ended."""
    while process.returncode is None:
        try:
            async with session.get(f"{url}/v1/customers", headers=AUTH):
                return True
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)
    return False


AUTH = {"Authorization": "Bearer sk_test_12345"}


@pytest.fixture
def stripe(session: aiohttp.ClientSession, stripe_url: str) -> StripeProvider:
    return StripeProvider(stripe_client(session, "sk_test_12345", stripe_url), WEBHOOK_SECRET)


@pytest.fixture
def service(bench: Bench, stripe: StripeProvider) -> PaymentsService:
    return bench.service(stripe, at_once=False)


async def card(session: aiohttp.ClientSession, url: str, number: str = GOOD) -> str:
    """A payment method of a customer, as the page in the browser would have made it."""
    fields = {
        "type": "card",
        "card[number]": number,
        "card[exp_month]": "12",
        "card[exp_year]": "2040",
        "card[cvc]": "123",
    }
    async with session.post(f"{url}/v1/payment_methods", data=fields, headers=AUTH) as response:
        return (await response.json())["id"]


async def test_a_card_is_authorised_captured_and_given_back_in_parts(
    bench: Bench,
    service: PaymentsService,
    stripe: StripeProvider,
    session: aiohttp.ClientSession,
    stripe_url: str,
) -> None:
    order = bench.order()
    paid = await bench.pay(order, await card(session, stripe_url), service)
    assert paid.state == "authorised"
    row = await bench.row(paid)
    assert row.provider_reference and row.provider_reference.startswith("pi_")
    assert isinstance(await stripe.charge(row), Authorised), "confirmed once, however often it is asked for"
    ref = c.PaymentRef(payment_id=paid.id)
    assert (await service.capture_payment(bench.as_platform(), ref)).state == "succeeded"
    assert isinstance(await stripe.capture(row), Charged), "captured once"
    for amount, key in ((1000, "a"), (250, "b"), (1000, "a")):
        refund = await bench.refund(order, amount, key, service)
        assert (refund.state, refund.amount.amount) == ("succeeded", amount)
    assert await bench.state(paid) == "refunded"
    async with session.get(
        f"{stripe_url}/v1/refunds?payment_intent={row.provider_reference}", headers=AUTH
    ) as response:
        assert sorted(refund["amount"] for refund in (await response.json())["data"]) == [250, 1000]


async def test_a_refund_asked_for_twice_is_made_once(
    bench: Bench,
    service: PaymentsService,
    stripe: StripeProvider,
    session: aiohttp.ClientSession,
    stripe_url: str,
) -> None:
    paid = await bench.pay(
        bench.order(), await card(session, stripe_url), bench.service(stripe, at_once=True)
    )
    row = await bench.row(paid)
    first = await stripe.refund(row, part(row, 300, "k"))
    assert isinstance(first, Refunded)
    assert await stripe.refund(row, part(row, 300, "k")) == first


async def test_what_is_authorised_is_let_go_once(
    bench: Bench,
    service: PaymentsService,
    stripe: StripeProvider,
    session: aiohttp.ClientSession,
    stripe_url: str,
) -> None:
    order = bench.order()
    paid = await bench.pay(order, await card(session, stripe_url), service)
    await bench.consumer_of(service).handle([bench.order_event(bench.cancel(order), "order.cancelled")])
    await bench.settle(service)
    assert await bench.state(paid) == "voided"
    row = await bench.row(paid)
    assert isinstance(await stripe.void(row), Voided)
    assert isinstance(await stripe.capture(row), Voided | NoAnswer)


async def test_a_card_that_is_declined_leaves_room_for_another(
    bench: Bench, service: PaymentsService, session: aiohttp.ClientSession, stripe_url: str
) -> None:
    order = bench.order()
    declined = await bench.pay(order, await card(session, stripe_url, BAD), service)
    assert (declined.state, declined.decline_reason) == ("declined", "card_declined")
    assert (await bench.pay(order, await card(session, stripe_url), service)).state == "authorised"
    unknown = await bench.pay(bench.order(), "pm_of_nobody", service)
    assert unknown.state == "declined"


async def test_a_crash_between_the_intent_and_its_confirmation_charges_once(
    bench: Bench,
    service: PaymentsService,
    stripe: StripeProvider,
    session: aiohttp.ClientSession,
    stripe_url: str,
) -> None:
    class Dies(StripeProvider):
        async def charge(self, payment):  # type: ignore[no-untyped-def]
            await super().charge(payment)
            raise asyncio.CancelledError

    dying = Dies(stripe_client(session, "sk_test_12345", stripe_url), WEBHOOK_SECRET)
    order, source = bench.order(), await card(session, stripe_url)
    with pytest.raises(asyncio.CancelledError):
        await bench.pay(order, source, bench.service(dying, at_once=True))
    (payment,) = await bench.all_payments(order)
    assert payment.state == "pending"
    await bench.settle(service)
    assert await bench.state(payment) == "succeeded"
    async with session.get(f"{stripe_url}/v1/payment_intents?limit=100", headers=AUTH) as response:
        made = (await response.json())["data"]
    assert [intent["status"] for intent in made if intent["metadata"].get("key") == payment.id] == [
        "succeeded"
    ]


async def test_stripe_away_or_silent_is_no_answer(bench: Bench, session: aiohttp.ClientSession) -> None:
    away = StripeProvider(stripe_client(session, "sk_test_12345", "http://127.0.0.1:9"), WEBHOOK_SECRET)
    order = bench.order()
    paid = await bench.pay(order, "pm_1", bench.service(away))
    assert paid.state == "pending"
    row = await bench.row(paid)
    assert row.provider_reference is None
    assert isinstance(await away.prepare(row), NoAnswer)


def event(type: str, thing: dict[str, object]) -> str:
    return json.dumps({"object": "event", "type": type, "data": {"object": thing}})


def signed(bench: Bench, body: str, secret: str = WEBHOOK_SECRET, age_s: int = 0) -> str:
    sent_at = int(bench.clock().timestamp()) - age_s
    digest = hmac.new(secret.encode(), f"{sent_at}.{body}".encode(), "sha256").hexdigest()
    return f"t={sent_at},v1={digest},v0=old"


async def test_signed_events_tell_of_intents_and_refunds_and_forged_ones_of_nothing(
    bench: Bench, stripe: StripeProvider
) -> None:
    intent: dict[str, object] = {
        "object": "payment_intent", "id": "pi_1", "amount": 1250, "currency": "eur", "status": "succeeded",
        "metadata": {"key": "7-a"}, "created": 1,
    }  # fmt: skip
    body = event("payment_intent.succeeded", intent)
    told = stripe.read_notice(body, signed(bench, body), bench.clock())
    assert told and (told.key, told.outcome) == ("7-a", Charged("pi_1", 1250, "EUR"))
    refund: dict[str, object] = {
        "object": "refund", "id": "re_1", "amount": 5, "currency": "eur", "status": "succeeded",
        "metadata": {"key": "7-x/1", "payment": "7-a"},
    }  # fmt: skip
    body = event("refund.updated", refund)
    told = stripe.read_notice(body, signed(bench, body), bench.clock())
    assert told and (told.key, told.refund_key, told.outcome) == ("7-a", "7-x/1", Refunded("re_1", 5, "EUR"))
    others = event("customer.created", {"object": "customer", "metadata": {}})
    assert stripe.read_notice(others, signed(bench, others), bench.clock()) is None
    for signature in (
        "", "t=1", signed(bench, body, "another"), signed(bench, body + " "), signed(bench, body, age_s=301),
        signed(bench, body, age_s=-301),
    ):  # fmt: skip
        with pytest.raises(Refusal, match="bad_signature"):
            stripe.read_notice(body, signature, bench.clock())
    for nonsense in ("", "{}", "[]", event("payment_intent.succeeded", {"metadata": {"key": "7-a"}})):
        with pytest.raises(Refusal, match="invalid_request"):
            stripe.read_notice(nonsense, signed(bench, nonsense), bench.clock())


async def test_the_statement_has_what_went_back(
    bench: Bench, service: PaymentsService, session: aiohttp.ClientSession, stripe_url: str
) -> None:
    """localstripe's charges do not carry their intent's metadata, as Stripe's do: what the statement says of
    charges is tried against another server (test_stripe_statement)."""
    order = bench.order()
    paid = await bench.pay(order, await card(session, stripe_url), service)
    await service.capture_payment(bench.as_platform(), c.PaymentRef(payment_id=paid.id))
    for amount, key in ((100, "a"), (250, "b")):
        await bench.refund(order, amount, key, service)
    moved = await stripe_statement(stripe_client(session, "sk_test_12345", stripe_url))
    assert sorted(line for line in moved if line.key == paid.id) == [
        ("refund", paid.id, -250, "EUR"), ("refund", paid.id, -100, "EUR"),
    ]  # fmt: skip
