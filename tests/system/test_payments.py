"""Online payment over HTTP, with the sandbox provider's real notices, silences and faults."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import databases
from system.town import Town, actor, eventually
from tiffin.services.payments.sandbox.webhooks import sign
from tiffin_process import TiffinProcess


@pytest.fixture(scope="module")
async def town(platform: TiffinProcess) -> AsyncIterator[Town]:
    async with Town.open(platform) as town:
        yield town


async def pay(town: Town, order: Any, source: str) -> Any:
    answer = await town.try_to_say(actor(order, "customer"), order, "payments", {"source": source})
    assert answer.status == 201, answer.body
    return answer.json


async def payments(town: Town, order: Any) -> list[str]:
    """The states of an order's payments."""
    listed = await town.get(actor(order, "customer"), f"/v1/orders/{order['id']}/payments")
    return [payment["state"] for payment in listed["payments"]]


async def until_state(town: Town, order: Any, state: str) -> None:
    async def is_there() -> bool:
        return (await town.order(order))["state"] == state

    await eventually(is_there, f"order {order['id']} is {state}")


async def until_payments(town: Town, order: Any, states: list[str]) -> None:
    async def are_there() -> bool:
        return await payments(town, order) == states

    await eventually(are_there, f"payments {states}")


def charges(process: TiffinProcess) -> dict[str, list[str]]:
    """How the charges of each order stand in the provider's own book."""
    latest: dict[str, str] = {}
    for line in (process.data_directory / "sandbox-charges.jsonl").read_text().splitlines():
        charge = json.loads(line)
        latest[charge["key"]] = charge["state"]
    book: dict[str, list[str]] = {}
    for key, state in latest.items():
        book.setdefault(key.partition("-")[0], []).append(state)
    return book


WAYS_TO_PAY: list[list[str]] = [
    ["tok_ok"], ["tok_slow"], ["tok_repeat"], ["tok_lost_reply"], ["tok_error"],
    ["tok_declined", "tok_ok"], ["tok_slow_declined", "tok_slow"], ["tok_of_nobody", "tok_ok"],
]  # fmt: skip


async def test_an_order_is_paid_once_and_accepted_whatever_the_provider_does(town: Town) -> None:
    restaurant = await town.add_restaurant(portions=len(WAYS_TO_PAY))

    async def pay_and_cook(sources: list[str]) -> str:
        order = await town.place(await town.add_customer(), restaurant, dish="cake", payment_method="online")
        assert order["state"] == "awaiting_payment"
        for number, source in enumerate(sources):
            paid = await pay(town, order, source)
            if source == "tok_slow":
                again = await pay(town, order, "tok_ok")
                assert again["id"] == paid["id"], "while one payment is open there is no second one"
            if number < len(sources) - 1:
                await until_payments(town, order, ["declined"] * (number + 1))
                assert (await town.order(order))["state"] == "awaiting_payment"
        await until_state(town, order, "awaiting_acceptance")
        assert (await town.say(order, "restaurant", "accept"))["state"] == "preparing"
        await until_payments(town, order, ["declined"] * (len(sources) - 1) + ["succeeded"])
        assert [event for _, event, _ in await town.timeline(order)] == [
            "order.placed", "order.paid", "order.accepted",
        ]  # fmt: skip
        return order["id"]

    orders = await asyncio.gather(*(pay_and_cook(sources) for sources in WAYS_TO_PAY))
    book = charges(town.process)
    for order, sources in zip(orders, WAYS_TO_PAY, strict=True):
        assert sorted(book[order]) == ["declined"] * (len(sources) - 1) + ["succeeded"]

    async def are_sold() -> bool:
        return await town.cakes(restaurant) == (0, 0)

    await eventually(are_sold, "every portion is sold")


async def test_nothing_is_taken_when_the_order_falls_before_it_is_accepted(town: Town) -> None:
    restaurant = await town.add_restaurant(portions=4)

    async def pay_and_fall(source: str, role: str, action: str) -> None:
        order = await town.place(await town.add_customer(), restaurant, dish="cake", payment_method="online")
        paid = await pay(town, order, source)
        if paid["state"] == "pending":
            assert source == "tok_slow", "called off while the provider still thinks"
        else:
            await until_state(town, order, "awaiting_acceptance")
        await town.say(order, role, action)
        await until_payments(town, order, ["voided"])
        assert charges(town.process)[order["id"]] == ["voided"]
        assert (await town.order(order))["state"] == "cancelled"

    await asyncio.gather(
        pay_and_fall("tok_ok", "customer", "cancel"),
        pay_and_fall("tok_ok", "restaurant", "reject"),
        pay_and_fall("tok_lost_void_reply", "customer", "cancel"),
        pay_and_fall("tok_slow", "customer", "cancel"),
    )

    async def are_back() -> bool:
        return await town.cakes(restaurant) == (4, 0)

    await eventually(are_back, "every portion is back")


async def test_the_money_comes_back_when_the_order_falls_after_that(town: Town) -> None:
    restaurant = await town.add_restaurant()

    async def is_captured(order: Any) -> bool:
        return charges(town.process)[order["id"]] == ["succeeded"]

    async def pay_and_fall(source: str) -> None:
        order = await town.place(await town.add_customer(), restaurant, payment_method="online")
        await pay(town, order, source)
        await until_state(town, order, "awaiting_acceptance")
        await town.say(order, "restaurant", "accept")
        if source == "tok_lost_capture_reply":
            await eventually(lambda: is_captured(order), "the provider has taken the money")
        else:
            await until_payments(town, order, ["succeeded"])
        await town.say(order, "customer", "cancel")
        await until_payments(town, order, ["refunded"])

        listed = await town.get(actor(order, "customer"), f"/v1/orders/{order['id']}/payments")
        assert listed["captured"] == listed["refunded"] == order["total"]
        assert [refund["state"] for refund in listed["refunds"]] == ["succeeded"]

    sources = ("tok_ok", "tok_lost_refund_reply", "tok_lost_capture_reply", "tok_slow_refund")
    await asyncio.gather(*(pay_and_fall(source) for source in sources))


def notice(payment: Any, **changes: Any) -> str:
    said = {"key": payment["id"], "reference": "ch_1", "state": "succeeded", **payment["amount"], **changes}
    return json.dumps(said)


async def send(town: Town, body: str, signature: str | None) -> Any:
    headers = {} if signature is None else {"Payment-Signature": signature}
    return await town.ask(None, "POST", "/v1/webhooks/payments", body.encode(), headers)


@pytest.fixture
def secret(platform: TiffinProcess) -> bytes:
    return bytes.fromhex((platform.data_directory / "secret").read_text())


@pytest.fixture(scope="module")
def hurried() -> Iterator[TiffinProcess]:
    """A platform on which an unpaid order waits two seconds."""
    with databases.directory() as directory, TiffinProcess(directory, payment_s=2) as process:
        yield process


async def test_an_unpaid_order_expires_and_its_portions_come_back(hurried: TiffinProcess) -> None:
    async with Town.open(hurried) as town:
        restaurant, (first, second) = await town.add_restaurant(portions=1), await town.add_customers(2)
        order = await town.place(first, restaurant, dish="cake", payment_method="online")
        assert await town.cakes(restaurant) == (1, 1)
        await pay(town, order, "tok_declined")
        await until_state(town, order, "cancelled")
        assert (await town.order(order))["reason"] == "payment_expired"
        late = await town.try_to_say(("customer", first), order, "payments", {"source": "tok_ok"})
        assert late.problem == (409, "payment_not_expected")

        async def is_back() -> bool:
            return await town.cakes(restaurant) == (1, 0)

        await eventually(is_back, "the portion can be had again")
        await town.place(second, restaurant, dish="cake")
        audited = await asyncio.to_thread(hurried.run, "audit")
        assert audited.returncode == 0, audited.stdout


async def test_after_all_of_it_the_audit_is_clean(town: Town) -> None:
    audited = await asyncio.to_thread(town.process.run, "audit")
    assert audited.returncode == 0, audited.stdout


async def test_a_signed_notice_is_taken_and_a_forged_one_is_not(town: Town, secret: bytes) -> None:
    """The last one: what it signs in the provider's name is not so, and the audit says so from then on."""
    order = await town.place(await town.add_customer(), await town.add_restaurant(), payment_method="online")
    payment = await pay(town, order, "tok_slow_declined")
    assert payment["state"] == "pending"
    body, now = notice(payment), time.time()
    for signature in (None, "", "t=1,v1=x", sign(body, b"f" * 32, now), sign(body, secret, now - 301),
                      sign(notice(payment, amount=1), secret, now)):  # fmt: skip
        assert (await send(town, body, signature)).problem == (401, "bad_signature"), signature
    assert await payments(town, order) == ["pending"]

    unknown = notice(payment, key="1-nobodys")
    taken = await send(town, unknown, sign(unknown, secret, now))
    assert (taken.status, taken.json) == (200, {"known": False})
    nonsense = "{}"
    assert (await send(town, nonsense, sign(nonsense, secret, now))).problem == (422, "invalid_request")
    too_little = notice(payment, amount=1)
    assert (await send(town, too_little, sign(too_little, secret, now))).status == 200
    assert await payments(town, order) == ["pending"], "what cannot be true changes nothing"

    for _ in range(3):
        taken = await send(town, body, sign(body, secret, now))
        assert (taken.status, taken.json) == (200, {"known": True})
    assert await payments(town, order) == ["succeeded"]
    late = notice(payment, state="voided")
    assert (await send(town, late, sign(late, secret, now))).status == 200
    assert await payments(town, order) == ["succeeded"]
    assert [event for _, event, _ in await town.timeline(order)] == ["order.placed", "order.paid"]
    assert (await town.order(order))["state"] == "awaiting_acceptance"
    audited = await asyncio.to_thread(town.process.run, "audit")
    assert "is succeeded with 1300 COP; the provider has moved nothing" in audited.stdout
