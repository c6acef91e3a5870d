"""Whatever comes in: a problem with a code, never a fault of ours, and the service is not asked."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway_platform import PLACE, Platform, problem
from tiffin.gateway import one_write
from tiffin.gateway.one_write import OneWriteProtocol

LINE = {"item_id": "bandeja", "quantity": 1}


def place(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (PLACE | changes).items() if value is not ...}).encode()


def lines(**changes: Any) -> bytes:
    return place(lines=[LINE | changes])


BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "invalid_json"),
    "not JSON": (b"hello", 400, "invalid_json"),
    "cut off": (place()[:-5], 400, "invalid_json"),
    "two values": (place() + b"{}", 400, "invalid_json"),
    "a byte order mark": (b"\xef\xbb\xbf" + place(), 400, "invalid_json"),
    "NaN": (place().replace(b"25900", b"NaN"), 400, "invalid_json"),
    "invalid UTF-8": (place(note="X").replace(b'"X"', b'"\xff\xfe"'), 400, "invalid_json"),
    "a surrogate as UTF-8": (place(note="X").replace(b'"X"', b'"\xed\xa0\x80"'), 400, "invalid_json"),
    "half a surrogate pair": (
        place(note="X").replace(b'"X"', rb'"\ud800 and more text"'),
        400,
        "invalid_json",
    ),
    "an array": (b"[]", 422, "invalid_request"),
    "null": (b"null", 422, "invalid_request"),
    "arrays 100,000 deep": (b"[" * 100_000, 422, "invalid_request"),
    "arrays deep in a field": (place(note="X").replace(b'"X"', b"[" * 100_000), 422, "invalid_request"),
    "objects deep in a field": (place(note="X").replace(b'"X"', b'{"a":' * 40_000), 422, "invalid_request"),
    "unknown field": (place(price=1), 422, "invalid_request"),
    "unknown field deep in arrays": (b'{"x":' + b"[" * 100_000, 422, "invalid_request"),
    "unknown field in a line": (lines(price=1), 422, "invalid_request"),
    "a field of the header": (place(idempotency_key="mine"), 422, "invalid_request"),
    "missing field": (place(lines=...), 422, "invalid_request"),
    "no lines": (place(lines=[]), 422, "invalid_request"),
    "101 lines": (place(lines=[LINE] * 101), 422, "invalid_request"),
    "21 options": (lines(options=["o"] * 21), 422, "invalid_request"),
    "null for text": (place(address_id=None), 422, "invalid_request"),
    "number for text": (place(address_id=7), 422, "invalid_request"),
    "text for number": (lines(quantity="1"), 422, "invalid_request"),
    "float for number": (lines(quantity=1.5), 422, "invalid_request"),
    "whole float for number": (lines(quantity=1.0), 422, "invalid_request"),
    "true for number": (lines(quantity=True), 422, "invalid_request"),
    "negative quantity": (lines(quantity=-1), 422, "invalid_request"),
    "zero quantity": (lines(quantity=0), 422, "invalid_request"),
    "huge quantity": (lines(quantity=2**31), 422, "invalid_request"),
    "2^64 pieces": (lines(quantity=2**64), 422, "invalid_request"),
    "a number of 5,000 digits": (
        lines(quantity=0).replace(b": 0", b": " + b"9" * 5000),
        422,
        "invalid_request",
    ),
    "an exponent without end": (lines(quantity=0).replace(b": 0", b": 1e999999"), 422, "invalid_request"),
    "huge price": (place(expected_total={"amount": 10**13, "currency": "COP"}), 422, "invalid_request"),
    "small currency": (place(expected_total={"amount": 1, "currency": "cop"}), 422, "invalid_request"),
    "unknown way to pay": (place(payment_method="barter"), 422, "invalid_request"),
    "an id with a slash": (place(restaurant_id="../etc"), 422, "invalid_request"),
    "an id too long": (place(restaurant_id="r" * 65), 422, "invalid_request"),
    "an empty id": (place(restaurant_id=""), 422, "invalid_request"),
    "text too long": (place(note="n" * 501), 422, "invalid_request"),
    "NUL in text": (place(note="a\0b"), 422, "invalid_request"),
    "NUL in a deep field": (lines(options=["\0"]), 422, "invalid_request"),
    "NUL in a name": (place(**{"a\0": 1}), 422, "invalid_request"),
    "a raw NUL": (place(note="X").replace(b"X", b"\0"), 400, "invalid_json"),
    "a million lines": (place(lines=[LINE] * 1_000_000), 413, "request_too_large"),
    "a megabyte of text": (place(note="n" * 1_000_000), 413, "request_too_large"),
}


@pytest.mark.parametrize(("body", "status", "code"), BODIES.values(), ids=BODIES.keys())
async def test_a_bad_body_is_a_problem(
    platform: Platform, body: bytes, status: int, code: str, new_id: Any
) -> None:
    request_id = new_id("bad")
    headers = platform.customer | {"Content-Type": "application/json", "X-Request-Id": request_id}
    async with platform.http.post("/v1/orders", data=io.BytesIO(body), headers=headers) as response:
        assert await problem(response) == (status, code), await response.text()
    assert request_id not in platform.orders.asked


async def test_a_backslash_and_digits_are_not_nul(platform: Platform) -> None:
    headers = platform.customer | {"X-Request-Id": "no-nul"}
    async with platform.http.post(
        "/v1/orders", json=PLACE | {"note": r"C:\u0000"}, headers=headers
    ) as response:
        assert response.status == 201
    assert platform.orders.asked["no-nul"][1].note == r"C:\u0000"


async def _send_head(platform: Platform, header: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.server.port)
    lines = ["POST /v1/orders HTTP/1.1", "Host: tiffin", "Content-Type: application/json", header]
    lines += [f"{name}: {value}" for name, value in platform.customer.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    return reader, writer


async def test_a_body_that_says_it_is_too_long_is_refused_before_it_comes(platform: Platform) -> None:
    reader, writer = await _send_head(platform, "Content-Length: 1000000000")
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_body_without_end_is_refused_as_soon_as_it_is_too_long(platform: Platform) -> None:
    reader, writer = await _send_head(platform, "Transfer-Encoding: chunked")
    for _ in range(32):
        writer.write(b"4000\r\n" + b"n" * 0x4000 + b"\r\n")
        await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "a header": (b"GET /v1/me HTTP/1.1\r\nHost: tiffin\r\nX: ", b"x" * 65_536),
    "a name of a header": (b"GET /v1/me HTTP/1.1\r\nHost: tiffin\r\n", b"x" * 65_536),
    "headers": (b"GET /v1/me HTTP/1.1\r\nHost: tiffin\r\n", b"X: x\r\n" * 10_000),
    "an address": (b"GET /v1/", b"x" * 65_536),
    "trailers": (
        b"POST /v1/sign-out HTTP/1.1\r\nHost: tiffin\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X: x\r\n" * 10_000,
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
async def test_a_head_without_end_is_given_up_and_not_kept(platform: Platform, what: str) -> None:
    beginning, more = ENDLESS[what]
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.server.port)
    writer.write(beginning)
    answer = b""
    with contextlib.suppress(ConnectionError):
        for _ in range(64):
            writer.write(more)
            await writer.drain()
        async with asyncio.timeout(60):
            answer = await reader.read()
    # what the platform has not read any more may take its answer away
    assert answer[:13] in (b"", b"HTTP/1.1 431 ", b"HTTP/1.1 400 ", b"HTTP/1.1 422 ")
    writer.close()
    async with platform.http.get("/livez") as response:
        assert response.status == 200


async def test_a_silent_connection_is_closed(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_write, "HEAD_S", 0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.server.port)
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    writer.close()


LIVEZ = b"GET /livez HTTP/1.1\r\nHost: tiffin\r\n\r\n"
UNFINISHED: dict[str, tuple[bytes, bytes, Callable[[OneWriteProtocol], bool]]] = {
    "half a head": (b"", b"GET /v1/me HTTP/1.1\r\nHost:", lambda at: at.scope is not None),
    "half a head after a request": (LIVEZ, b"GET /v1", lambda at: at.scope is not at.cycle.scope),
    "a line end after a request": (LIVEZ, b"\r\n", lambda at: at.timeout_keep_alive_task is None),
    "nothing after a request": (LIVEZ, b"", lambda at: True),
}


@pytest.mark.parametrize("what", UNFINISHED)
async def test_only_a_request_that_does_not_get_on_is_refused_and_closed(
    platform: Platform, what: str
) -> None:
    request, said, has_come = UNFINISHED[what]
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.server.port)
    async with asyncio.timeout(60):
        if request:
            writer.write(request)
            await reader.readuntil(b"}")
        protocol = await protocol_of(platform, writer)
        writer.write(said)
        while not has_come(protocol):
            await asyncio.sleep(0.001)
        for _ in range(2):
            protocol._look_at_head()
        assert protocol.transport.is_closing() == bool(said)
        if said:
            assert (await reader.read())[:13] == b"HTTP/1.1 408 "
    writer.close()


async def protocol_of(platform: Platform, writer: asyncio.StreamWriter) -> OneWriteProtocol:
    """The server's end of a connection."""
    while True:
        for each in platform.server._uvicorn.server_state.connections:
            if each.client == writer.get_extra_info("sockname"):
                return each
        await asyncio.sleep(0.001)


async def test_a_long_head_within_the_limit_is_read(platform: Platform) -> None:
    headers = platform.customer | {"X-Long": "x" * 20_000}
    async with platform.http.get("/v1/me", headers=headers) as response:
        assert response.status == 200


async def test_a_body_in_pieces_is_put_together(platform: Platform) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        body = place(note="n" * 400)
        for start in range(0, len(body), 100):
            yield body[start : start + 100]
            await asyncio.sleep(0)

    headers = platform.customer | {"Content-Type": "application/json"}
    async with platform.http.post("/v1/orders", data=pieces(), headers=headers) as response:
        assert response.status == 201


async def test_a_menu_may_be_larger_than_other_bodies(platform: Platform) -> None:
    item = {"id": "dish", "name": "Dish", "price": 1, "description": "d" * 900}
    large, too_large = (json.dumps({"items": [item] * count}).encode() for count in (600, 1200))
    assert 256 * 1024 < len(large) < 1024 * 1024 < len(too_large)
    headers = platform.bearer("operator", "o") | {"Content-Type": "application/json"}
    path = "/v1/restaurants/r-1/menu"
    async with platform.http.put(path, data=io.BytesIO(large), headers=headers) as response:
        assert response.status == 200
    async with platform.http.put(path, data=io.BytesIO(too_large), headers=headers) as response:
        assert await problem(response) == (413, "request_too_large")


HEADERS: dict[str, tuple[dict[str, str], int, str]] = {
    "no key": ({"Idempotency-Key": ...}, 422, "invalid_request"),
    "an empty key": ({"Idempotency-Key": ""}, 422, "invalid_request"),
    "a key with a space": ({"Idempotency-Key": "a b"}, 422, "invalid_request"),
    "a key too long": ({"Idempotency-Key": "k" * 101}, 422, "invalid_request"),
    "a key not in ASCII": ({"Idempotency-Key": "clé"}, 422, "invalid_request"),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    "text": ({"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
}  # type: ignore[dict-item]


@pytest.mark.parametrize(("changes", "status", "code"), HEADERS.values(), ids=HEADERS.keys())
async def test_a_bad_header_is_a_problem(
    platform: Platform, changes: dict[str, Any], status: int, code: str
) -> None:
    headers = platform.customer | {"Content-Type": "application/json"} | changes
    headers = {name: value for name, value in headers.items() if value is not ...}
    async with platform.http.post("/v1/orders", data=place(), headers=headers) as response:
        assert await problem(response) == (status, code)
        if code == "invalid_request":
            text = await response.text()
            assert "Idempotency-Key" in text or "idempotency_key" in text


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"]
)
async def test_json_by_any_of_its_names_is_taken(platform: Platform, content_type: str) -> None:
    headers = platform.customer | {"Content-Type": content_type}
    async with platform.http.post("/v1/orders", data=place(), headers=headers) as response:
        assert response.status == 201


ADDRESSES: list[tuple[str, str, int, str]] = [
    ("GET", "/v1/nothing", 404, "no_such_endpoint"),
    ("GET", "/v1/orders/", 404, "no_such_endpoint"),
    ("GET", "/v1/orders/1/", 404, "no_such_endpoint"),
    ("GET", "/v1//orders", 404, "no_such_endpoint"),
    ("GET", "//", 404, "no_such_endpoint"),
    ("GET", "/v1/orders/1/nothing", 404, "no_such_endpoint"),
    ("GET", "/v1", 404, "no_such_endpoint"),
    ("DELETE", "/v1/orders", 405, "method_not_allowed"),
    ("PATCH", "/v1/orders/1", 405, "method_not_allowed"),
    ("POST", "/livez", 405, "method_not_allowed"),
    ("GET", "/v1/orders/0", 422, "invalid_request"),
    ("GET", "/v1/orders/-1", 422, "invalid_request"),
    ("GET", "/v1/orders/12345678901234567890", 422, "invalid_request"),
    ("GET", "/v1/orders/abc", 422, "invalid_request"),
    ("GET", "/v1/orders/%31%2F2", 422, "invalid_request"),
    ("GET", "/v1/orders/%00", 422, "invalid_request"),
    ("GET", "/v1/orders/%ff", 400, "invalid_encoding"),
    ("GET", "/v1/orders/%zz", 400, "invalid_encoding"),
    ("GET", "/v1/orders/%", 400, "invalid_encoding"),
    ("GET", "/v1/orders/abc/events", 422, "invalid_request"),
    ("GET", "/v1/orders/1?x=1", 422, "invalid_request"),
    ("GET", "/v1/orders?limit=0", 422, "invalid_request"),
    ("GET", "/v1/orders?limit=201", 422, "invalid_request"),
    ("GET", "/v1/orders?limit=-1", 422, "invalid_request"),
    ("GET", "/v1/orders?limit=many", 422, "invalid_request"),
    ("GET", "/v1/orders?limit=" + "9" * 5000, 422, "invalid_request"),
    ("GET", "/v1/orders?limit=", 422, "invalid_request"),
    ("GET", "/v1/orders?limit=1&limit=2", 422, "invalid_request"),
    ("GET", "/v1/orders?state=lost", 422, "invalid_request"),
    ("GET", "/v1/orders?customer_id=another", 422, "invalid_request"),
    ("GET", "/v1/orders?restaurant_id=another", 422, "invalid_request"),
    ("GET", "/v1/orders?cursor=%00", 422, "invalid_request"),
    ("GET", "/v1/orders?cursor=" + "c" * 201, 422, "invalid_request"),
    ("GET", "/v1/orders?cursor=%ff", 400, "invalid_encoding"),
    ("GET", "/v1/orders?cursor=%f", 400, "invalid_encoding"),
    ("GET", "/v1/orders?" + "&".join(f"a{n}=1" for n in range(30)), 400, "invalid_encoding"),
    ("POST", "/v1/orders?dry_run=1", 422, "invalid_request"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), ADDRESSES)
async def test_a_bad_address_is_a_problem(
    platform: Platform, method: str, path: str, status: int, code: str, new_id: Any
) -> None:
    request_id = new_id("address")
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.server.port)
    lines = [f"{method} {path} HTTP/1.1", "Host: tiffin", "Connection: close", f"X-Request-Id: {request_id}"]
    lines += [f"{name}: {value}" for name, value in platform.customer.items()]
    body = place() if method == "POST" else b""
    lines += [f"Content-Length: {len(body)}"]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.split()[1] == str(status).encode(), answer
    assert b"application/problem+json" in head
    told = json.loads(answer)
    assert (told["code"], told["request_id"]) == (code, request_id)
    assert request_id not in platform.orders.asked


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"\xff", 400, "invalid_encoding"),
        (rb'{"a": "\u0000"}', 422, "invalid_request"),
        (b"n" * 65_537, 413, "request_too_large"),
    ],
)
async def test_a_bad_notice_is_a_problem(platform: Platform, body: bytes, status: int, code: str) -> None:
    headers = {"Payment-Signature": "good"}
    async with platform.http.post("/v1/webhooks/payments", data=body, headers=headers) as response:
        assert await problem(response) == (status, code)
