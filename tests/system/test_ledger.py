"""The books of a running platform, as somebody asks for them."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from system.town import WAY, Town, actor, eventually
from tiffin_process import TiffinProcess


@pytest.fixture
async def town(platform: TiffinProcess) -> AsyncIterator[Town]:
    async with Town.open(platform) as town:
        yield town


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
