"""From a good HTTP request to the service's call and back."""

import asyncio
from typing import Any

import pytest

from gateway_platform import NOW, PLACE, Platform, problem, running
from tiffin.gateway.app import Limits
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c


async def test_a_placed_order_reaches_the_service_whole(platform: Platform) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = platform.customer | {"X-Request-Id": "place-1", "traceparent": trace}
    async with platform.http.post("/v1/orders", json=PLACE, headers=headers) as response:
        assert response.status == 201
        assert response.headers["X-Request-Id"] == "place-1"
        assert response.content_type == "application/json"
        assert (await response.json())["id"] == "1048577"
    context, request = platform.orders.asked["place-1"]
    assert context == c.CallContext(
        request_id="place-1", caller=c.Caller(role="customer", id="customer-1"),
        deadline_ms=int(NOW.timestamp() * 1000) + 10_000, trace_parent=trace,
    )  # fmt: skip
    assert request == c.PlaceOrder(
        idempotency_key="a-key", restaurant_id="restaurant-1",
        lines=[c.BasketLine(item_id="bandeja", quantity=2)], address_id="home", payment_method="cash",
        expected_total=c.Money(amount=25900, currency="COP"),
    )  # fmt: skip


FROM: list[tuple[str, str, str, str, Any, dict[str, Any]]] = [
    ("GET", "/v1/orders?limit=5&state=ready", "customer", "Orders", None,
     {"customer_id": "somebody", "limit": 5, "state": "ready"}),
    ("GET", "/v1/restaurants/r-1/orders", "restaurant", "Orders", None,
     {"restaurant_id": "r-1", "limit": 20}),
    ("GET", "/v1/restaurants/r%2D1", "courier", "Restaurants", None, {"restaurant_id": "r-1"}),
    ("GET", "/v1/restaurants?cursor=a%20b%C3%A9", "courier", "Restaurants", None, {"cursor": "a bé"}),
    ("GET", "/v1/me", "customer", "Users", None, {"customer_id": "somebody"}),
    ("DELETE", "/v1/me/addresses/home", "customer", "Users", None,
     {"customer_id": "somebody", "address_id": "home"}),
    ("POST", "/v1/orders/12/accept", "restaurant", "Orders", None, {"order_id": "12", "event": "accepted"}),
    ("POST", "/v1/orders/12/accept", "restaurant", "Orders", {"expected_version": 3},
     {"order_id": "12", "event": "accepted", "expected_version": 3}),
    ("POST", "/v1/orders/12/assign-courier", "operator", "Orders", {"courier_id": "k-1"},
     {"order_id": "12", "event": "courier_assigned", "courier_id": "k-1"}),
    ("PUT", "/v1/restaurants/r-1/menu", "operator", "Restaurants", {"items": []},
     {"restaurant_id": "r-1", "items": []}),
    ("GET", "/v1/me/balances", "courier", "Ledger", None, {"party": "courier:somebody"}),
    ("GET", "/v1/parties/customer:c-1/balances", "operator", "Ledger", None, {"party": "customer:c-1"}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "role", "service", "body", "expected"), FROM)
async def test_a_requests_fields_come_from_where_the_table_says(
    platform: Platform, method: str, path: str, role: str, service: str, body: Any, expected: dict[str, Any],
    new_id: Any,
) -> None:  # fmt: skip
    request_id = new_id("request")
    headers = platform.bearer(role, "somebody") | {"X-Request-Id": request_id}
    async with platform.http.request(method, path, json=body, headers=headers) as response:
        assert response.status < 300, await response.text()
    stub = {
        "Orders": platform.orders, "Users": platform.users, "Restaurants": platform.restaurants,
        "Ledger": platform.ledger,
    }[service]  # fmt: skip
    _, request = stub.asked[request_id]
    assert {name: getattr(request, name) for name in expected} == expected


async def test_what_is_csv_is_answered_as_it_is(platform: Platform) -> None:
    headers = platform.bearer("restaurant", "r-1")
    async with platform.http.get("/v1/me/settlements.csv", headers=headers) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
        assert await response.text() == "settlement,amount\r\né,1\r\n"
    async with platform.http.get("/v1/me/settlements.csv", headers=platform.customer) as response:
        assert response.status == 403


@pytest.mark.parametrize("given", ["x" * 65, "with space", "a/b", "", "é"])
async def test_a_request_id_that_is_none_is_replaced(platform: Platform, given: str) -> None:
    async with platform.http.get("/livez") as alive:
        assert alive.status == 200
    async with platform.http.get("/v1/me", headers=platform.customer | {"X-Request-Id": given}) as response:
        made = response.headers["X-Request-Id"]
        assert len(made) == 32 and made != given


async def test_a_traceparent_that_is_none_is_dropped(platform: Platform) -> None:
    headers = platform.customer | {"X-Request-Id": "bad-trace", "traceparent": "00-xyz"}
    async with platform.http.post("/v1/orders", json=PLACE, headers=headers) as response:
        assert response.status == 201
    assert platform.orders.asked["bad-trace"][0].trace_parent is None


FAILURES = {
    "refusal": (Refusal("price_changed", "it costs more now", {"total": 31000}), 409, "price_changed"),
    "unavailable": (Unavailable("lane_full", "later", 2500), 503, "lane_full"),
    "too late": (Unavailable("deadline_passed", "nobody waits"), 504, "deadline_passed"),
    "bug": (RuntimeError("secret words of the inside"), 500, "internal_error"),
}


@pytest.mark.parametrize(("error", "status", "code"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_failure_becomes_its_problem_and_a_bug_leaks_nothing(
    platform: Platform, error: Exception, status: int, code: str, new_id: Any
) -> None:
    async def fail() -> None:
        raise error

    request_id = new_id("failure")
    platform.orders.doing[request_id] = fail
    headers = platform.customer | {"X-Request-Id": request_id}
    async with platform.http.post("/v1/orders", json=PLACE, headers=headers) as response:
        assert await problem(response) == (status, code)
        text = await response.text()
        assert "secret" not in text and "Traceback" not in text
        if code == "price_changed":
            assert (await response.json(content_type=None))["total"] == 31000
        if code == "lane_full":
            assert response.headers["Retry-After"] == "3"


async def test_an_overloaded_gateway_refuses_at_once_and_recovers() -> None:
    async with running(Limits(in_flight_max=2)) as platform:
        release, arrived = asyncio.Event(), asyncio.Semaphore(0)

        async def wait() -> None:
            arrived.release()
            await release.wait()

        async def place(request_id: str) -> int:
            headers = platform.customer | {"X-Request-Id": request_id}
            async with platform.http.post("/v1/orders", json=PLACE, headers=headers) as response:
                return response.status

        platform.orders.doing = {"one": wait, "two": wait}
        waiting = [asyncio.create_task(place("one")), asyncio.create_task(place("two"))]
        for _ in waiting:
            await arrived.acquire()
        async with platform.http.post("/v1/orders", json=PLACE, headers=platform.customer) as response:
            assert await problem(response) == (503, "overloaded")
            assert response.headers["Retry-After"] == "1"
        async with platform.http.get("/livez") as response:
            assert response.status == 200
        release.set()
        assert await asyncio.gather(*waiting) == [201, 201]
        assert await place("three") == 201


async def test_a_client_that_gives_up_does_not_stop_the_service_half_way(platform: Platform) -> None:
    arrived, release, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        arrived.set()
        await release.wait()
        finished.set()

    platform.orders.doing["given-up"] = work
    headers = platform.customer | {"X-Request-Id": "given-up"}
    request = asyncio.create_task(platform.http.post("/v1/orders", json=PLACE, headers=headers))
    await arrived.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    release.set()
    await finished.wait()


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
async def test_an_answer_without_a_body_is_sent_all_the_same(platform: Platform, connection: str) -> None:
    headers = platform.customer | {"Connection": connection}
    async with platform.http.head("/v1/orders", headers=headers) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, POST"
