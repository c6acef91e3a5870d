"""Who may call what: tokens, API keys and roles."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from gateway_platform import NOW, PLACE, SECRET, Platform, problem, running
from tiffin.gateway.api_keys import FRESH_S
from tiffin.gateway.app import Limits
from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.users.sealing import derive
from tiffin.services.users.signing import SigningKey, platform_key

OURS = ed25519.Ed25519PrivateKey.from_private_bytes(derive(SECRET, "platform key"))
ANOTHERS = ed25519.Ed25519PrivateKey.generate()
PUBLIC = OURS.public_key()
HEADER = {"kid": platform_key(SECRET).kid, "typ": "at+jwt"}
GOOD: dict[str, Any] = {
    "iss": "tiffin",
    "aud": "tiffin",
    "sub": "customer-1",
    "role": "customer",
    "iat": NOW.timestamp(),
    "exp": int(NOW.timestamp()) + 3600,
}


def signed(key: Any = OURS, algorithm: str = "EdDSA", header: Any = None, **changes: Any) -> str:
    claims = {name: value for name, value in (GOOD | changes).items() if value is not None}
    headers = {name: value for name, value in (HEADER | (header or {})).items() if value is not None}
    # PyJWT looks after the types of some claims itself: whoever forges does not use it
    head = {"alg": algorithm, **headers}
    content = f"{text(json.dumps(head).encode())}.{text(json.dumps(claims).encode())}"
    signature = jwt.get_algorithm_by_name(algorithm).sign(content.encode(), key)
    return f"Bearer {content}.{text(signature)}"


def hmac_signed(secret: bytes, algorithm: str = "HS256") -> str:
    """With the public key as the secret: what fools a verifier that believes the header's algorithm."""
    content = f"{text(json.dumps({'alg': algorithm, **HEADER}).encode())}.{text(json.dumps(GOOD).encode())}"
    return f"Bearer {content}.{text(hmac.digest(secret, content.encode(), 'sha256'))}"


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def altered(part: int) -> str:
    """A good token, one bit of one of its parts turned."""
    parts = signed()[7:].split(".")
    raw = bytearray(urlsafe_b64decode(parts[part] + "=="))
    raw[len(raw) // 2] ^= 1
    parts[part] = text(bytes(raw))
    return "Bearer " + ".".join(parts)


def raised() -> str:
    """Another role written over a good token."""
    head, _, signature = signed()[7:].split(".")
    return f"Bearer {head}.{text(json.dumps(GOOD | {'role': 'operator'}).encode())}.{signature}"


def unsigned(algorithm: str) -> str:
    head = text(json.dumps({"alg": algorithm, **HEADER}).encode())
    return f"Bearer {head}.{text(json.dumps(GOOD).encode())}."


def own_jwk(key: ed25519.Ed25519PrivateKey) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().public_bytes_raw())}


def seconds(offset: float) -> int:
    return int((NOW + timedelta(seconds=offset)).timestamp())


RAW = PUBLIC.public_bytes_raw()
PEM = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
REFUSED = {
    "no token": None,
    "empty": "",
    "another scheme": "Basic dXNlcjpwYXNz",
    "no token after Bearer": "Bearer ",
    "garbage": "Bearer garbage",
    "three parts of garbage": "Bearer a.b.c",
    "not ASCII": "Bearer \u00e9\u00e9.\u00e9\u00e9.\u00e9",
    "without end": "Bearer " + signed()[7:] + "A" * 5000,
    "no signature": signed().rpartition(".")[0] + ".",
    "two parts": signed().rpartition(".")[0],
    "header altered": altered(0),
    "claims altered": altered(1),
    "signature altered": altered(2),
    "another role written over it": raised(),
    "algorithm none": unsigned("none"),
    "algorithm nOnE": unsigned("nOnE"),
    "algorithm ours, no signature": unsigned("EdDSA"),
    "HS256 with the public key": hmac_signed(RAW),
    "HS256 with the public key as PEM": hmac_signed(PEM),
    "HS256 with the public key as text": hmac_signed(text(RAW).encode()),
    "HS512 said": hmac_signed(RAW, "HS512"),
    "ES256": signed(ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "RS256": signed(rsa.generate_private_key(65537, 2048), "RS256"),
    "Ed448": signed(ed448.Ed448PrivateKey.generate()),
    "another key": signed(ANOTHERS),
    "another key that brings itself": signed(ANOTHERS, header={"jwk": own_jwk(ANOTHERS)}),
    "another key to be fetched": signed(ANOTHERS, header={"jku": "http://127.0.0.1:9/jwks.json"}),
    "another certificate": signed(ANOTHERS, header={"x5u": "http://127.0.0.1:9/", "x5c": ["AAAA"]}),
    "no key named": signed(header={"kid": None}),
    "a key nobody knows": signed(ANOTHERS, header={"kid": "0123456789abcdef"}),
    "a key of nobody's, our signature": signed(header={"kid": "0123456789abcdef"}),
    "a path for a key": signed(ANOTHERS, header={"kid": "../../../../dev/null"}),
    "a statement for a key": signed(ANOTHERS, header={"kid": "' UNION SELECT 'x"}),
    "a number for a key": signed(header={"kid": 1}),
    "a list for a key": signed(header={"kid": [HEADER["kid"]]}),
    "an extension we must know": signed(header={"crit": ["exp"], "exp": 1}),
    "a payload not encoded": signed(header={"b64": False, "crit": ["b64"]}),
    "another kind of token": signed(header={"typ": "JWT"}),
    "no kind of token": signed(header={"typ": None}),
    "expired": signed(exp=seconds(-1)),
    "expires now": signed(exp=seconds(0)),
    "issued tomorrow": signed(iat=seconds(86400)),
    "not valid yet": signed(nbf=seconds(600)),
    "another audience": signed(aud="another"),
    "many audiences": signed(aud=["tiffin", "another"]),
    "no audience": signed(aud=None),
    "another issuer": signed(iss="another"),
    "no issuer": signed(iss=None),
    "no expiry": signed(exp=None),
    "no issue time": signed(iat=None),
    "no subject": signed(sub=None),
    "no role": signed(role=None),
    "unknown role": signed(role="emperor"),
    "two roles": signed(role=["customer", "operator"]),
    "the platform itself": signed(role="system"),
    "a visitor": signed(role="visitor"),
    "a subject that is no id": signed(sub="customer 1"),
    "a subject with a line's end": signed(sub="customer-1\n"),
    "expiry is text": signed(exp="tomorrow"),
    "expiry is not finite": signed(exp=1e400),
    "made-up access": signed(access="emperor"),
    "an API key nobody has": "Bearer tk_roma.abc.def",
    "an API key cut off": "Bearer tk_",
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


async def test_a_restaurants_system_comes_with_an_api_key_until_that_is_revoked(platform: Platform) -> None:
    platform.users.api_keys["tk_roma.id.secret"] = c.ApiKey(
        key_id="roma.id", role="restaurant", subject="roma", label="till", created_at="", created_by="ops"
    )
    headers = {"Authorization": "Bearer tk_roma.id.secret", "X-Request-Id": "by-api-key"}
    try:
        checks = platform.users.checks
        for _ in range(20):
            async with platform.http.get("/v1/restaurants/roma/orders", headers=headers) as response:
                assert response.status == 200
        assert platform.users.checks == checks + 1, "users is asked once in a while, not for every request"
        context, _ = platform.orders.asked["by-api-key"]
        assert context.caller == c.Caller(role="restaurant", id="roma", access="system")
        del platform.users.api_keys["tk_roma.id.secret"]
        platform.clock.advance(FRESH_S)
        async with platform.http.get("/v1/restaurants/roma/orders", headers=headers) as response:
            assert await problem(response) == (401, "bad_token")
    finally:
        platform.clock.set(NOW)


async def test_made_up_api_keys_are_looked_up_so_often_and_good_ones_are_not_held_up_by_them() -> None:
    async with running(Limits(visits_per_minute=3)) as platform:
        for name in ("till", "tablet"):
            platform.users.api_keys[f"tk_roma.id.{name}"] = c.ApiKey(
                key_id="roma.id", role="restaurant", subject="roma", label=name, created_at="", created_by=""
            )

        async def come(secret: str) -> tuple[int, str] | int:
            headers = {"Authorization": f"Bearer tk_roma.id.{secret}"}
            async with platform.http.get("/v1/restaurants/roma/orders", headers=headers) as response:
                return 200 if response.status == 200 else await problem(response)

        assert [await come("till") for _ in range(5)] == [200] * 5
        made_up = [await come(f"made-up-{number}") for number in range(10)]
        assert made_up == [(401, "bad_token")] * 3 + [(429, "too_many_requests")] * 7
        assert platform.users.checks == 4
        platform.clock.advance(FRESH_S)
        assert await come("till") == 200, "it is known to be good, and looked up again"
        assert await come("tablet") == (429, "too_many_requests"), "it may be made up"
        platform.clock.advance(60)
        assert [await come(name) for name in ("tablet", "till") * 5] == [200] * 10, "good ones do not count"


async def test_when_users_is_away_nobody_is_called_a_forger(platform: Platform) -> None:
    async def away() -> Any:
        raise Unavailable("connection_lost", "users is away")

    stranger = SigningKey.of(b"x" * 32)
    platform.users.failing = away
    try:
        platform.clock.advance(2)
        for credential in (signed(header={"kid": stranger.kid})[7:], "tk_roma.id.other"):
            headers = {"Authorization": f"Bearer {credential}"}
            async with platform.http.get("/v1/restaurants", headers=headers) as response:
                assert (await problem(response))[0] == 503
        async with platform.http.get("/v1/me", headers=platform.customer) as response:
            assert response.status == 200
    finally:
        platform.users.failing = None
        platform.clock.set(NOW)


async def test_an_address_that_comes_too_often_without_a_token_is_told_when_to_come_again() -> None:
    async with running(Limits(visits_per_minute=3)) as platform:
        path, body = "/v1/sign-in/codes", {"phone": "+573001234567"}
        for _ in range(3):
            async with platform.http.post(path, json=body) as response:
                assert response.status == 201
        async with platform.http.post(path, json=body) as response:
            assert await problem(response) == (429, "too_many_requests")
            assert response.headers["Retry-After"] == "20"
        platform.clock.advance(20)
        async with platform.http.post(path, json=body) as response:
            assert response.status == 201
        async with platform.http.get("/v1/me", headers=platform.customer) as response:
            assert response.status == 200, "who has a token is not counted"


async def test_the_keys_are_published(platform: Platform) -> None:
    async with platform.http.get("/.well-known/jwks.json") as response:
        assert response.content_type == "application/jwk-set+json"
        keys = jwt.PyJWKSet.from_dict(await response.json(content_type=None))
    token = signed()[7:]
    claims = jwt.decode(
        token, keys[HEADER["kid"]], algorithms=["EdDSA"], audience="tiffin", options={"verify_exp": False}
    )
    assert claims["sub"] == "customer-1"


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
