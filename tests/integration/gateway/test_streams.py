"""Live streams: in order, nothing twice, nothing missed, and they end when they should."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import aiohttp
import pytest

from gateway_platform import Platform, make_event, make_order, problem, running
from tiffin.gateway.app import Limits

_numbers = count(1000)


@pytest.fixture
def order_id(platform: Platform) -> str:
    """An order that has just been placed."""
    order_id = str(next(_numbers))
    platform.orders.orders[order_id] = make_order(order_id)
    platform.orders.events[order_id] = [make_event(order_id, 1, "placed", "awaiting_acceptance")]
    return order_id


async def said(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    """The events of a stream, and its comments as {"comment": ...}."""
    assert response.status == 200, await response.text()
    assert response.content_type == "text/event-stream"
    event: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            yield {"comment": line[1:].strip()}
        elif line:
            name, _, value = line.partition(": ")
            event[name] = value
        else:
            if "event" in event:
                yield event
            event = {}


async def until_end(response: aiohttp.ClientResponse) -> list[tuple[str, str | None, int]]:
    """Name, id and version of every event until the stream ends."""
    return [
        (event["event"], event.get("id"), json.loads(event["data"])["version"])
        async for event in said(response)
    ]


async def test_an_orders_stream_tells_its_state_then_its_events_in_order_and_ends(
    platform: Platform, order_id: str
) -> None:
    async with platform.http.get(f"/v1/orders/{order_id}/events", headers=platform.customer) as response:
        events = said(response)
        first = await anext(events)
        assert (first["event"], first["id"]) == ("order", "1")
        assert json.loads(first["data"])["state"] == "awaiting_acceptance"

        feed = platform.feed.watched[order_id]
        accepted = make_event(order_id, 2, "accepted", "preparing")
        for event in (
            make_event(order_id, 1, "placed", "awaiting_acceptance"),  # said already, as the state
            accepted,
            accepted,  # the log repeats itself
            make_event(order_id, 3, "prepared", "ready"),
            accepted,
            make_event(order_id, 4, "cancelled", "cancelled"),
        ):
            feed.put_nowait(event)
        rest = [(event["event"], event["id"]) async for event in events]
    assert rest == [("order.accepted", "2"), ("order.prepared", "3"), ("order.cancelled", "4")]
    await platform.feed.until(lambda: order_id not in platform.feed.watched)


async def test_a_stream_that_comes_back_misses_nothing(platform: Platform, order_id: str) -> None:
    platform.orders.orders[order_id] = make_order(order_id, "ready", 3)
    platform.orders.events[order_id] += [
        make_event(order_id, 2, "accepted", "preparing"),
        make_event(order_id, 3, "prepared", "ready"),
    ]
    headers = platform.customer | {"Last-Event-ID": "1"}
    async with platform.http.get(f"/v1/orders/{order_id}/events", headers=headers) as response:
        events = said(response)
        first = [await anext(events) for _ in range(3)]
        assert [(event["event"], event.get("id")) for event in first] == [
            ("order", None),
            ("order.accepted", "2"),
            ("order.prepared", "3"),
        ]
        platform.feed.watched[order_id].put_nowait(make_event(order_id, 3, "prepared", "ready"))
        platform.feed.watched[order_id].put_nowait(make_event(order_id, 4, "cancelled", "cancelled"))
        assert (await anext(events))["id"] == "4"


async def test_an_event_between_the_state_and_the_history_is_said_once(
    platform: Platform, order_id: str
) -> None:
    """The order is read at version 1, its history a moment later at version 2."""
    platform.orders.events[order_id].append(make_event(order_id, 2, "cancelled", "cancelled"))
    async with platform.http.get(f"/v1/orders/{order_id}/events", headers=platform.customer) as response:
        assert await until_end(response) == [("order", "1", 1), ("order.cancelled", "2", 2)]


async def test_the_stream_of_a_finished_order_ends_at_once(platform: Platform, order_id: str) -> None:
    platform.orders.orders[order_id] = make_order(order_id, "completed", 9)
    path = f"/v1/orders/{order_id}/events"
    async with platform.http.get(path, headers=platform.customer) as response:
        assert await until_end(response) == [("order", "9", 9)]
    async with platform.http.get(path, headers=platform.customer | {"Last-Event-ID": "9"}) as response:
        assert response.status == 204


async def test_who_comes_back_after_the_end_is_still_told_of_it(platform: Platform, order_id: str) -> None:
    platform.orders.orders[order_id] = make_order(order_id, "cancelled", 2)
    platform.orders.events[order_id].append(make_event(order_id, 2, "cancelled", "cancelled"))
    headers = platform.customer | {"Last-Event-ID": "1"}
    async with platform.http.get(f"/v1/orders/{order_id}/events", headers=headers) as response:
        assert await until_end(response) == [("order", None, 2), ("order.cancelled", "2", 2)]


async def test_a_token_in_the_address_opens_a_stream(platform: Platform, order_id: str) -> None:
    platform.orders.orders[order_id] = make_order(order_id, "completed", 9)
    token = platform.tokens.mint("customer", "customer-1", 60)
    async with platform.http.get(f"/v1/orders/{order_id}/events?access_token={token}") as response:
        assert response.status == 200
    async with platform.http.get(f"/v1/orders/{order_id}/events?access_token=x") as response:
        assert await problem(response) == (401, "bad_token")


async def test_anothers_order_has_no_stream(platform: Platform, order_id: str) -> None:
    headers = platform.bearer("customer", "another")
    async with platform.http.get(f"/v1/orders/{order_id}/events", headers=headers) as response:
        assert await problem(response) == (404, "order_not_found")
    await platform.feed.until(lambda: order_id not in platform.feed.watched)


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, ""])
async def test_a_last_event_id_that_is_no_version_is_refused(
    platform: Platform, order_id: str, last: str
) -> None:
    headers = platform.customer | {"Last-Event-ID": last}
    async with platform.http.get(f"/v1/orders/{order_id}/events", headers=headers) as response:
        assert await problem(response) == (422, "invalid_request")


async def test_a_restaurant_sees_every_event_of_its_orders(platform: Platform) -> None:
    headers = platform.bearer("restaurant", "restaurant-7")
    async with platform.http.get("/v1/restaurants/restaurant-7/events", headers=headers) as response:
        feed = platform.feed.watched["restaurant-7"]
        feed.put_nowait(make_event("12", 1, "placed", "awaiting_acceptance"))
        feed.put_nowait(make_event("13", 1, "placed", "awaiting_acceptance"))
        feed.put_nowait(make_event("12", 2, "cancelled", "cancelled"))
        events = said(response)
        ids = [(await anext(events))["id"] for _ in range(3)]
        assert ids == ["12:1", "13:1", "12:2"]


@pytest.mark.parametrize(
    ("role", "subject", "status", "code"),
    [
        ("restaurant", "restaurant-8", 404, "restaurant_not_found"),
        ("customer", "customer-1", 403, "forbidden"),
        ("courier", "restaurant-7", 403, "forbidden"),
    ],
)
async def test_a_restaurants_stream_is_its_own(
    platform: Platform, role: str, subject: str, status: int, code: str
) -> None:
    headers = platform.bearer(role, subject)
    async with platform.http.get("/v1/restaurants/restaurant-7/events", headers=headers) as response:
        assert await problem(response) == (status, code)


async def test_a_silent_stream_keeps_its_heart_beating() -> None:
    async with running(Limits(heartbeat_s=0.01)) as platform:
        headers = platform.bearer("operator", "o")
        async with platform.http.get("/v1/restaurants/r/events", headers=headers) as response:
            events = said(response)
            assert [await anext(events) for _ in range(2)] == [{"comment": "still here"}] * 2
            platform.feed.watched["r"].put_nowait(make_event("12", 1, "placed", "awaiting_acceptance"))
            async for event in events:
                if "event" in event:
                    assert event["id"] == "12:1"
                    break


async def test_a_stream_ends_when_its_client_goes_away(platform: Platform, order_id: str) -> None:
    async with platform.http.get(f"/v1/orders/{order_id}/events", headers=platform.customer) as response:
        await anext(said(response))
        assert order_id in platform.feed.watched
        response.close()
    await platform.feed.until(lambda: order_id not in platform.feed.watched)


async def test_too_many_streams_are_refused_and_a_place_is_freed() -> None:
    async with running(Limits(streams_max=1)) as platform:
        headers = platform.bearer("operator", "o")
        async with platform.http.get("/v1/restaurants/r/events", headers=headers) as response:
            assert response.status == 200
            async with platform.http.get("/v1/restaurants/q/events", headers=headers) as another:
                assert await problem(another) == (503, "overloaded")
            response.close()
        await platform.feed.until(lambda: not platform.feed.watched)
        async with platform.http.get("/v1/restaurants/q/events", headers=headers) as response:
            assert response.status == 200
            response.close()


async def test_a_server_that_stops_ends_its_streams_at_once() -> None:
    async with running() as platform:
        headers = platform.bearer("operator", "o")
        async with platform.http.get("/v1/restaurants/r/events", headers=headers) as response:
            stopping = asyncio.create_task(platform.server.stop())
            assert [event async for event in said(response)] == []
        async with asyncio.timeout(5):  # a tenth of what the limit for stopping would take
            await stopping
        assert platform.feed.watched == {}


async def test_a_fault_in_mid_stream_closes_it(platform: Platform, order_id: str) -> None:
    async with platform.http.get(f"/v1/orders/{order_id}/events", headers=platform.customer) as response:
        events = said(response)
        await anext(events)
        broken: Any = object()
        platform.feed.watched[order_id].put_nowait(broken)
        with pytest.raises(aiohttp.ClientPayloadError):
            await anext(events)
