"""Health, metrics, and the pages."""

import json

import pytest

from gateway_platform import PLACE, Platform, problem, running
from tiffin.gateway.routes import ROUTES


@pytest.mark.parametrize(
    ("orders", "payments", "status", "told"),
    [
        (True, True, 200, {"status": "ready", "missing": []}),
        (True, False, 200, {"status": "degraded", "missing": ["payments"]}),
        (False, False, 503, None),
    ],
    ids=["all is there", "something is not", "nothing is"],
)
async def test_a_gateway_is_out_only_if_it_reaches_nothing(
    orders: bool, payments: bool, status: int, told: object
) -> None:
    async with running() as platform:
        platform.reached = {"orders": orders, "payments": payments}
        async with platform.http.get("/readyz") as response:
            if told is None:
                assert await problem(response) == (status, "not_ready")
            else:
                assert (response.status, await response.json()) == (status, told)
        async with platform.http.get("/livez") as response:
            assert (response.status, await response.json()) == (200, {"status": "alive"})


async def test_metrics_count_by_route_and_never_by_what_a_client_makes_up() -> None:
    async with running() as platform:
        for path in ("/v1/orders/11/accept", "/v1/orders/12/accept"):
            async with platform.http.post(path, headers=platform.bearer("operator", "o")) as response:
                assert response.status == 200
        for path in ("/v1/made-up-1", "/v1/made-up-2"):
            async with platform.http.get(path) as response:
                assert response.status == 404
        async with platform.http.post("/v1/orders", json=PLACE) as response:
            assert response.status == 401
        async with platform.http.get("/metrics") as response:
            assert response.content_type == "text/plain"
            text = await response.text()
    counts = dict(
        line.removeprefix("tiffin_http_request_duration_seconds_count").rsplit(" ", 1)
        for line in text.splitlines()
        if line.startswith("tiffin_http_request_duration_seconds_count")
    )
    assert counts == {
        '{method="POST",route="/v1/orders/{order_id}/accept",status="200"}': "2.0",
        '{method="",route="(none)",status="404"}': "2.0",
        '{method="POST",route="/v1/orders",status="401"}': "1.0",
    }
    assert "tiffin_http_requests_in_flight 0.0" in text


async def test_the_document_lists_every_route(platform: Platform) -> None:
    async with platform.http.get("/openapi.json") as response:
        document = json.loads(await response.text())
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert {(route.method, route.path) for route in ROUTES} <= listed


async def test_the_page_is_whole_in_itself(platform: Platform) -> None:
    for path in ("/", "/docs"):
        async with platform.http.get(path) as response:
            page = await response.text()
            assert (response.status, response.content_type) == (200, "text/html")
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "https://" not in page
