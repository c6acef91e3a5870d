"""Live streams of a real platform: everything, in order, once, as it happens."""

from collections.abc import AsyncIterator

import pytest

from system.town import OPERATOR, WAY, Town, actor
from tiffin_process import TiffinProcess


@pytest.fixture(scope="module")
async def town(platform: TiffinProcess) -> AsyncIterator[Town]:
    async with Town.open(platform) as town:
        yield town


NAMES = {
    "accept": "accepted", "assign-courier": "courier_assigned", "ready": "prepared", "pick-up": "picked_up",
    "deliver": "delivered", "complete": "completed",
}  # fmt: skip
EVENTS = [(f"order.{NAMES[action]}", str(version)) for version, (_, action) in enumerate(WAY, start=2)]


@pytest.mark.parametrize("role", ["customer", "restaurant", "operator"])
async def test_an_orders_stream_tells_of_it_from_placing_to_its_end(town: Town, role: str) -> None:
    order = await town.place(await town.add_customer(), await town.add_restaurant())
    async with town.listen(actor(order, role), f"/v1/orders/{order['id']}/events") as stream:
        first = await anext(stream)
        assert (first.name, first.id, first.data) == ("order", "1", order)
        for (role_of_step, action), (name, version) in zip(WAY, EVENTS, strict=True):
            moved = await town.say(order, role_of_step, action)
            said = await anext(stream)
            assert (said.name, said.id, said.data["to_state"]) == (name, version, moved["state"])
        assert [said async for said in stream] == [], "the stream ends with the order"


async def test_who_comes_back_is_told_exactly_what_was_missed(town: Town) -> None:
    order = await town.place(await town.add_customer(), await town.add_restaurant())
    customer, path = actor(order, "customer"), f"/v1/orders/{order['id']}/events"
    async with town.listen(customer, path) as stream:
        await anext(stream)
        await town.say(order, *WAY[0])
        seen = await anext(stream)
    for step in WAY[1:4]:
        await town.say(order, *step)
    async with town.listen(customer, path, seen.id) as stream:
        now = await anext(stream)
        assert (now.name, now.id, now.data["state"]) == ("order", None, "delivering")
        missed = [await anext(stream) for _ in WAY[1:4]]
        assert [(said.name, said.id) for said in missed] == EVENTS[1:4]
        for step in WAY[4:]:
            await town.say(order, *step)
        assert [(said.name, said.id) async for said in stream] == EVENTS[4:]
    answer = await town.ask(customer, "GET", path, headers={"Last-Event-ID": EVENTS[-1][1]})
    assert answer.status == 204, "there is nothing to come back for"


async def test_a_restaurant_sees_its_orders_as_they_come_and_no_others(town: Town) -> None:
    restaurant, other = await town.add_restaurant(), await town.add_restaurant()
    customers = await town.add_customers(3)
    path = f"/v1/restaurants/{restaurant}/events"
    async with town.listen(("restaurant", restaurant), path) as kitchen, town.listen(OPERATOR, path) as desk:
        for customer in customers:
            await town.place(customer, other)
            order = await town.place(customer, restaurant)
            for stream in (kitchen, desk):
                said = await anext(stream)
                assert (said.name, said.id) == ("order.placed", f"{order['id']}:1")
                assert (said.data["customer_id"], said.data["restaurant_id"]) == (customer, restaurant)
        await town.say(order, "customer", "cancel")
        assert [(await anext(stream)).name for stream in (kitchen, desk)] == ["order.cancelled"] * 2


async def test_streams_of_others_are_not_there(town: Town) -> None:
    restaurant, other = await town.add_restaurant(), await town.add_restaurant()
    order = await town.place(await town.add_customer(), restaurant)
    path = f"/v1/restaurants/{restaurant}/events"
    assert (await town.ask(("restaurant", other), "GET", path)).problem == (404, "restaurant_not_found")
    assert (await town.ask(OPERATOR, "GET", "/v1/restaurants/nowhere/events")).problem == (
        404, "restaurant_not_found",
    )  # fmt: skip
    for who in (("restaurant", other), ("customer", "eve"), ("courier", "eve")):
        answer = await town.ask(who, "GET", f"/v1/orders/{order['id']}/events")
        assert answer.problem == (404, "order_not_found")
