"""A restaurant's system is called by a whole platform, also by one that was killed while it called."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest
from aiohttp import web
from standardwebhooks import Webhook

import databases
from integration.webhooks.receiver import Receiver, Request
from system.town import WAY, Town, database, eventually
from tiffin_process import TiffinProcess


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    """A platform that may call this machine."""
    with databases.directory() as directory:
        process = TiffinProcess(directory)
        process.environment["TIFFIN_WEBHOOKS_ALLOW"] = "127.0.0.0/8"
        with process:
            async with Town.open(process) as town:
                yield town


async def register(town: Town, restaurant: str, url: str) -> Any:
    """The restaurant's own system hears of its orders."""
    answer = await town.ask(
        ("restaurant", restaurant), "POST", f"/v1/restaurants/{restaurant}/webhooks",
        {"url": url, "types": ["order.*"]},
    )  # fmt: skip
    assert answer.status == 201, answer.body
    return answer.json


async def is_as_documented(town: Town) -> None:
    """Every event of the log is as the platform's own document says."""
    document = (await town.ask(None, "GET", "/asyncapi.json")).json
    async with database(town.process) as node:
        events = await node.fetch("SELECT type, data FROM log.events")
    assert {"order.placed", "order.completed", "payment.collected"} <= {event["type"] for event in events}
    for event in events:
        schema = {**document, "$ref": f"#/components/schemas/{event['type']}"}
        found = jsonschema.Draft202012Validator(schema).iter_errors(json.loads(event["data"]))
        assert [error.message for error in found] == [], event["type"]


async def test_a_restaurants_system_hears_all_of_its_orders_in_order_though_the_platform_is_killed(
    town: Town,
) -> None:
    restaurant, customer = await town.add_restaurant(), await town.add_customer()
    async with Receiver.open() as receiver:
        created = await register(town, restaurant, receiver.url)
        order = await town.place(customer, restaurant)
        for role, action in WAY:
            order = await town.say(order, role, action)
        timeline = await town.timeline(order)
        wanted = [f"order:{order['id']}:{version}" for version, _, _ in timeline]

        async def has_all() -> bool:
            return set(wanted) <= set(receiver.ids)

        await eventually(has_all, "every event of the order")
        first = {
            each.id: each for each in reversed(receiver.requests)
        }  # a busy machine may cause repetitions
        assert list(dict.fromkeys(receiver.ids)) == wanted
        told = [Webhook(created["secret"]).verify(first[id_].body, first[id_].headers) for id_ in wanted]
        assert [(each["version"], each["type"], each["to_state"]) for each in told] == timeline
        await is_as_documented(town)

        killed = asyncio.Event()

        async def kill(_: Request) -> web.StreamResponse:
            receiver.answer = lambda _: web.Response()
            await asyncio.to_thread(town.process.kill)
            killed.set()
            return web.Response()

        receiver.requests.clear()
        receiver.answer = kill
        second = await town.place(customer, restaurant)
        await asyncio.wait_for(killed.wait(), 60)
        await asyncio.to_thread(town.process.start)
        async with database(town.process) as node:  # the dead one's lease is over
            await node.execute("UPDATE webhooks.lanes SET held_until = '-infinity'")

        async def has_both() -> bool:
            return len(receiver.requests) >= 2

        await eventually(has_both, "the delivery once more")
        assert set(receiver.ids) == {f"order:{second['id']}:1"}
        path = f"/v1/webhook-endpoints/{created['about']['endpoint_id']}/deliveries?state=delivered"

        async def is_noted() -> bool:
            listed = await town.get(("restaurant", restaurant), path)
            return f"order:{second['id']}:1" in {each["delivery_id"] for each in listed["deliveries"]}

        await eventually(is_noted, "the delivery is noted")
