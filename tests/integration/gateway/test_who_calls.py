"""Who may call what: tokens and roles."""

from datetime import timedelta
from typing import Any

import jwt
import pytest

from gateway_platform import NOW, PLACE, SECRET, Platform, problem

GOOD: dict[str, Any] = {
    "sub": "customer-1",
    "role": "customer",
    "aud": "tiffin",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 3600,
}


def signed(secret: bytes = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    claims = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return "Bearer " + jwt.encode(claims, secret, algorithm=algorithm)


def seconds(offset: float) -> int:
    return int((NOW + timedelta(seconds=offset)).timestamp())


REFUSED = {
    "no token": None,
    "empty": "",
    "another scheme": "Basic dXNlcjpwYXNz",
    "no token after Bearer": "Bearer ",
    "garbage": "Bearer garbage",
    "three parts of garbage": "Bearer a.b.c",
    "not ASCII": "Bearer \u00e9\u00e9.\u00e9.\u00e9",
    "no signature": signed().rpartition(".")[0] + ".",
    "algorithm none": "Bearer " + jwt.encode(GOOD, None, algorithm="none"),
    "another algorithm": signed(algorithm="HS512"),
    "same secret, another algorithm": signed(algorithm="HS384"),
    "another secret": signed(secret=b"x" * 32),
    "expired": signed(exp=seconds(-1)),
    "expires now": signed(exp=seconds(0)),
    "issued tomorrow": signed(iat=seconds(86400)),
    "not valid yet": signed(nbf=seconds(600)),
    "another audience": signed(aud="another"),
    "no audience": signed(aud=None),
    "no expiry": signed(exp=None),
    "no issue time": signed(iat=None),
    "no subject": signed(sub=None),
    "no role": signed(role=None),
    "unknown role": signed(role="emperor"),
    "the platform itself": signed(role="system"),
    "a subject that is no id": signed(sub="customer 1"),
    "a subject with a line's end": signed(sub="customer-1\n"),
    "expiry is text": signed(exp="tomorrow"),
}


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
async def test_a_token_that_is_not_ours_and_valid_opens_nothing(
    platform: Platform, header: str | None
) -> None:
    headers = {"Idempotency-Key": "k", "X-Request-Id": f"auth-{id(header)}"}
    if header is not None:
        headers["Authorization"] = header
    for method, path in (("POST", "/v1/orders"), ("GET", "/v1/orders/1/events")):
        async with platform.http.request(method, path, json=PLACE, headers=headers) as response:
            assert await problem(response) == (401, "bad_token")
            assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert headers["X-Request-Id"] not in platform.orders.asked


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_good_token_opens(platform: Platform, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {signed().split()[1]}", "Idempotency-Key": "k"}
    async with platform.http.post("/v1/orders", json=PLACE, headers=headers) as response:
        assert response.status == 201


@pytest.mark.parametrize("role", ["restaurant", "courier", "operator"])
async def test_a_role_that_may_not_is_forbidden(platform: Platform, role: str) -> None:
    headers = platform.bearer(role, "somebody") | {"Idempotency-Key": "k"}
    async with platform.http.post("/v1/orders", json=PLACE, headers=headers) as response:
        assert await problem(response) == (403, "forbidden")


async def test_a_token_in_the_address_is_for_streams_only(platform: Platform) -> None:
    token = platform.tokens.mint("customer", "customer-1", 3600)
    async with platform.http.get(f"/v1/orders?access_token={token}") as response:
        assert await problem(response) == (401, "bad_token")
    async with platform.http.get(f"/v1/orders?access_token={token}", headers=platform.customer) as response:
        assert await problem(response) == (422, "invalid_request")


async def test_a_cached_token_still_expires(platform: Platform) -> None:
    headers = platform.customer
    async with platform.http.get("/v1/me", headers=headers) as response:
        assert response.status == 200
    try:
        platform.clock.advance(3600)
        async with platform.http.get("/v1/me", headers=headers) as response:
            assert await problem(response) == (401, "bad_token")
    finally:
        platform.clock.set(NOW)


async def test_the_provider_needs_a_signature_and_no_token(platform: Platform) -> None:
    notice = b'{ "payment":\t"p1" }'
    headers = {"Payment-Signature": "good", "X-Request-Id": "notice-1"}
    async with platform.http.post("/v1/webhooks/payments", data=notice, headers=headers) as response:
        assert (response.status, await response.json()) == (200, {"known": True})
    context, request = platform.payments.asked["notice-1"]
    assert (context.caller.role, context.caller.id) == ("system", "provider")
    assert request.body.encode() == notice

    for signature, code in ((None, "bad_signature"), ("bad", "bad_signature")):
        headers = {"Payment-Signature": signature} if signature else {}
        async with platform.http.post("/v1/webhooks/payments", data=notice, headers=headers) as response:
            assert await problem(response) == (401, code)
