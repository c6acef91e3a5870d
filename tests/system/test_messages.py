"""What people are told, on a whole platform: by the outbox, by a provider, and after they are erased."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import databases
from scripted_server import Reply, Request, Scripted
from system.town import OPERATOR, WAY, Town, database, eventually
from tiffin_process import TiffinProcess


@pytest.fixture
async def town(platform: TiffinProcess) -> AsyncIterator[Town]:
    async with Town.open(platform) as town:
        yield town


async def about(town: Town, order: Any) -> list[Any]:
    """The messages about an order, oldest first."""
    listed = await town.get(OPERATOR, f"/v1/messages?order_id={order['id']}&limit=200")
    return listed["messages"][::-1]


async def delivered(town: Town) -> Any:
    """An order that has gone all its way."""
    order = await town.place(await town.add_customer(), await town.add_restaurant())
    for role, action in WAY:
        order = await town.say(order, role, action)
    return order


def new_phone() -> str:
    return f"+57{uuid4().int % 10**10:010}"


async def test_everybody_is_told_of_an_order_on_its_way_and_anybody_may_read_along(town: Town) -> None:
    order = await delivered(town)
    told = [
        ("customer", "order_accepted", "sent"), ("courier", "courier_food_ready", "sent"),
        ("customer", "order_on_its_way", "sent"), ("customer", "order_delivered", "sent"),
    ]  # fmt: skip

    async def has_been_told() -> bool:
        listed = await about(town, order)
        return [(each["role"], each["template"], each["state"]) for each in listed] == told

    await eventually(has_been_told, "four messages")
    shown = await asyncio.to_thread(town.process.run, "messages", "--order", order["id"])
    assert f"La Olla is preparing your order {order['id']}." in shown.stdout
    mine = await asyncio.to_thread(town.process.run, "messages", "--to", order["customer_id"])
    assert "preparing" in mine.stdout
    assert "ready" not in mine.stdout


async def test_people_say_how_they_want_to_be_written_to(town: Town) -> None:
    customer, restaurant = await town.add_customer(), await town.add_restaurant()
    wishes = {"language": "es-CO", "opt_outs": ["payment"]}
    answer = await town.ask(("customer", customer), "PUT", "/v1/me/preferences", wishes)
    assert answer.json == {"role": "customer", "person_id": customer, **wishes}
    path = f"/v1/people/{customer}/preferences/customer"
    assert await town.get(OPERATOR, path) == answer.json

    order = await town.place(customer, restaurant)
    await town.say(order, "restaurant", "accept")

    async def in_spanish() -> bool:
        texts = [each.get("text") for each in await about(town, order) if each["role"] == "customer"]
        return texts == [f"La Olla está preparando tu pedido {order['id']}."]

    await eventually(in_spanish, "the message in Spanish")


async def sign_in(town: Town) -> tuple[str, str]:
    """Somebody new signs in by the code that the outbox shows. Their id, and their code."""
    phone = new_phone()
    started = await town.ask(None, "POST", "/v1/sign-in/codes", {"phone": phone})
    assert started.status == 201, started.body

    async def code() -> str | None:
        shown = await asyncio.to_thread(town.process.run, "messages")
        found = re.findall(r"(\d{6}) is your sign-in code", shown.stdout)
        return found[-1] if found else None

    told = await eventually(code, "the code in the outbox")
    body = {"phone": phone, "sign_in_id": started.json["sign_in_id"], "code": told, "name": "Ana"}
    signed_in = await town.ask(None, "POST", "/v1/sign-in", body)
    assert signed_in.status == 201, signed_in.body
    return signed_in.json["person_id"], told


async def test_a_code_is_read_in_the_outbox_and_nothing_stays_of_who_is_erased(town: Town) -> None:
    person, _ = await sign_in(town)
    order = await town.place(await town.add_customer(), await town.add_restaurant())  # somebody else's
    await town.say(order, "restaurant", "accept")
    await town.ask(("customer", person), "PUT", "/v1/me/preferences", {"language": "zh"})
    listed = await town.get(OPERATOR, f"/v1/messages?role=customer&person_id={person}")
    assert listed["messages"] == []  # the code went to a phone that was nobody's yet

    erased = await town.ask(OPERATOR, "POST", f"/v1/people/{person}/erase", {})
    assert erased.status == 200, erased.body
    async with database(town.process) as node:

        async def is_forgotten() -> bool:
            query = "SELECT 1 FROM notifications.preferences WHERE person_id = $1"
            return not await node.fetch(query, person)

        await eventually(is_forgotten, "their preferences are gone")
        kept = await node.fetch("SELECT 1 FROM notifications.messages WHERE phone IS NOT NULL")
        assert kept == []
    assert len(await eventually(lambda: about(town, order), "others' messages stay")) == 1


async def test_followed_messages_come_as_they_are_sent(town: Town) -> None:
    customer = await town.add_customer()
    process = town.process
    following = subprocess.Popen(
        [sys.executable, "-m", "tiffin", "messages", "--follow", "--to", customer],
        env=process.environment, cwd=process.data_directory, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert following.stdout is not None
        order = await town.place(customer, await town.add_restaurant())
        await town.say(order, "restaurant", "accept")
        while order["id"] not in (line := await asyncio.to_thread(following.stdout.readline)):
            assert following.poll() is None
        assert "preparing your order" in line or "order_accepted" in line
    finally:
        following.terminate()
        following.communicate(timeout=30)


# a provider


@pytest.fixture
async def phone_company() -> AsyncIterator[Scripted]:
    scripted = Scripted()
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture
def own_directory() -> Iterator[Path]:
    with databases.directory() as directory:
        yield directory


async def test_a_provider_gets_each_code_once_though_the_platform_is_killed(
    own_directory: Path, phone_company: Scripted
) -> None:
    process = TiffinProcess(own_directory)
    url = f"json://127.0.0.1:{phone_company.port}/sms?:to={{phone}}&+Idempotency-Key={{key}}"
    process.environment["TIFFIN_NOTIFICATIONS_PROVIDERS"] = url
    failing = 2

    def answer(request: Request) -> Reply:
        return Reply(503 if len(phone_company.asked) <= failing else 200)

    phone_company.answer = answer
    phone = new_phone()
    await asyncio.to_thread(process.start)  # the provider lives in this process
    try:
        async with database(process) as node:

            async def stands(*row: object) -> bool:
                query = "SELECT state, attempts, phone, secrets IS NULL FROM notifications.messages"
                return [tuple(found) for found in await node.fetch(query)] == [row]

            async with Town.open(process) as town:
                started = await town.ask(None, "POST", "/v1/sign-in/codes", {"phone": phone})
                assert started.status == 201
            await eventually(lambda: stands("waiting", 1, phone, False), "the first attempt has failed")
        await asyncio.to_thread(process.kill)
        await asyncio.to_thread(process.start)
        async with database(process) as node:
            await eventually(lambda: stands("sent", failing + 1, None, True), "it is sent, and forgotten")
    finally:
        await asyncio.to_thread(process.stop)
    assert len({request.headers["idempotency-key"] for request in phone_company.asked}) == 1
    assert {request.json["to"] for request in phone_company.asked} == {phone}
    assert all("is your sign-in code" in request.json["message"] for request in phone_company.asked)
    assert len(phone_company.asked) == failing + 1
    assert phone not in (own_directory / "server.log").read_text()


def test_a_provider_that_nobody_knows_is_told_in_a_line(own_directory: Path) -> None:
    process = TiffinProcess(own_directory)
    process.environment["TIFFIN_NOTIFICATIONS_PROVIDERS"] = "nonsense://user:secret@x"
    done = process.run("up", "--port", "0")
    assert done.returncode == 1
    assert "[notifications] provider 1 (nonsense://...)" in done.stderr
    assert "secret" not in done.stderr
