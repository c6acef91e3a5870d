"""The books of a running platform, as somebody asks for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from system.town import OPERATOR, WAY, Town, actor, eventually
from tiffin_process import TiffinProcess


@pytest.fixture
async def town(platform: TiffinProcess) -> AsyncIterator[Town]:
    async with Town.open(platform) as town:
        yield town


async def test_versions_are_added_from_files_and_listed_and_none_begins_at_once(
    platform: TiffinProcess,
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = platform.run(*arguments)
        return done.returncode, done.stdout + done.stderr

    file = platform.data_directory / "rules.toml"
    file.write_text("free_cancel_s = 120\n")
    begins = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    added, early, listed = [
        await asyncio.to_thread(run, "rules", *arguments)
        for arguments in (
            ("add", str(file), "--begins", begins),
            ("add", str(file), "--begins", now),
            ("list",),
        )
    ]
    assert added[0] == 0 and "Version 2 of the rules begins at" in added[1], added
    assert early[0] == 1 and "must be the next" in early[1], early
    assert "free_cancel_s = 120" in listed[1] and "holds now" in listed[1] and "is to come" in listed[1]
    refused = await asyncio.to_thread(run, "fees", "add", str(file))
    assert refused[0] == 1 and "Traceback" not in refused[1], refused
    assert "unknown field `free_cancel_s`" in refused[1]
    file.write_text("[default]\ncommission_bp = 1800\n")
    assert "Version 2 of the fees" in (await asyncio.to_thread(run, "fees", "add", str(file)))[1]


async def test_cash_given_back_pays_the_next_order_and_the_books_agree(
    platform: TiffinProcess, town: Town
) -> None:
    customer, restaurant = await town.add_customer(), await town.add_restaurant()
    cash = await town.place(customer, restaurant)
    for role, action in WAY:
        await town.say(cash, role, action)
    decision = {"kind": "operator_decision"}
    key = {"Idempotency-Key": "cold"}
    case = await town.ask(OPERATOR, "POST", f"/v1/orders/{cash['id']}/cases", decision, key)
    assert (case.status, case.json["outcome"]["back_to"]) == (201, "balance"), case.body

    async def balance() -> list[int]:
        told = await town.get(("customer", customer), "/v1/me/balances")
        return [money["amount"] for account in told["accounts"] for money in account["balances"]]

    total = cash["total"]["amount"]
    assert await balance() == [total]
    order = await town.place(customer, restaurant, payment_method="online")
    paid = await town.ask(
        actor(order, "customer"), "POST", f"/v1/orders/{order['id']}/payments", {"method": "balance"}
    )
    assert (paid.status, paid.json["state"]) == (201, "authorised"), paid.body
    assert await balance() == [0, total], "held"
    for role, action in WAY:
        await town.say(order, role, action)

    async def is_entered() -> bool:
        entries = (await town.get(OPERATOR, f"/v1/orders/{order['id']}/entries"))["entries"]
        facts = {entry["fact"].partition(":")[0] for entry in entries}
        return facts >= {"held", "unheld", "captured", "completed"}

    await eventually(is_entered, "the order is in the books")
    assert await balance() == [0, 0]
    audited = await asyncio.to_thread(platform.run, "audit")
    assert audited.returncode == 0, audited.stdout


async def test_an_order_is_in_the_books_and_a_charge_of_nobodys_is_told_with_what_to_do(
    platform: TiffinProcess, town: Town
) -> None:
    order = await town.place(await town.add_customer(), await town.add_restaurant(), payment_method="online")
    source = {"source": "tok_ok"}
    paid = await town.ask(actor(order, "customer"), "POST", f"/v1/orders/{order['id']}/payments", source)
    assert paid.status == 201, paid.body
    for role, action in WAY:
        await town.say(order, role, action)

    async def is_entered() -> str:
        shown = await asyncio.to_thread(platform.run, "ledger", order["id"])
        both = "completed, fees 1" in shown.stdout and "captured" in shown.stdout  # told by two streams
        return shown.stdout if both else ""

    shown = await eventually(is_entered, "the order is in the books")
    assert f"restaurant:{order['restaurant_id']}" in shown
    assert "0.00 COP" in shown.partition("What is left of it")[2]

    assert (await asyncio.to_thread(platform.run, "ledger", "17")).returncode == 1
    agreed = await asyncio.to_thread(platform.run, "reconcile")
    assert (agreed.returncode, "All books agree" in agreed.stdout) == (0, True), agreed.stdout

    stray = {
        "key": f"{order['id']}-stray", "reference": "ch_9", "amount": 777, "currency": "COP",
        "source": "tok_ok", "webhook_url": "", "state": "succeeded", "created_at": 0.0,
    }  # fmt: skip
    with (platform.data_directory / "sandbox-charges.jsonl").open("a") as journal:
        journal.write(json.dumps(stray) + "\n{a line that is being writ")
    differs = await asyncio.to_thread(platform.run, "reconcile")
    assert differs.returncode == 1
    assert "missing here" in differs.stdout
    assert "give the money back at the provider" in differs.stdout
    audited = await asyncio.to_thread(platform.run, "audit")
    assert audited.returncode == 1
    assert f"{order['id']}-stray" in audited.stdout
