"""Access tokens, checked with public keys alone: whoever breaks into a gateway can sign nothing.

What to check with comes from `users`: the keys, and which sessions and people are over before their time. It
is fetched at the first token, then every few seconds (`refresh`), and when a token names a key that is not
known, at most once in `UNKNOWN_EVERY_S`.
"""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.access_token import ALGORITHM, AUDIENCE, ISSUER, TYPE, Claims
from tiffin.rpc.context import new_context

CACHED_MAX = 20_000
TOKEN_LENGTH_MAX = 2_000
CLOCK_SKEW_S = 60
UNKNOWN_EVERY_S = 1.0


class _Verified(msgspec.Struct, frozen=True):
    """What a good signature says. `ids`: what may end before the token does."""

    caller: c.Caller
    not_before_s: float
    expires_s: int
    issued_s: float
    ids: tuple[str, ...]


class _UnknownKey(Exception):
    """The token names a key that this gateway has not heard of."""


class Tokens:
    """Checks tokens. What was verified is remembered; its time and its end are looked at always."""

    def __init__(self, users: c.Users, clock: Clock) -> None:
        self._users = users
        self._clock = clock
        self._keys: Mapping[str, Ed25519PublicKey] = {}
        self._ended: Mapping[str, float] = {}
        self._fetched_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._verified = lru_cache(CACHED_MAX)(self._check_signature)

    async def verify(self, token: str, now_s: float) -> c.Caller:
        """Who holds this token. `Refusal("bad_token")` if it is not ours, or not valid at `now_s`."""
        try:
            verified = self._verified(token)
        except _UnknownKey:
            verified = await self._verify_with_news(token, now_s)
        if now_s >= verified.expires_s:
            raise Refusal("bad_token", "the token has expired")
        if now_s < verified.not_before_s:
            raise Refusal("bad_token", "the token is not valid yet")
        if self._ended:
            for id_ in verified.ids:
                if verified.issued_s <= self._ended.get(id_, 0.0):
                    raise Refusal("bad_token", "the token's session has ended")
        return verified.caller

    async def refresh(self) -> None:
        """Fetch what tokens are checked with. Whoever comes while it is fetched waits for the same answer."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(), name="verification")
        await asyncio.shield(self._fetching)

    async def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set (RFC 7517, RFC 8037)."""
        if not self._keys:
            await self.refresh()
        return {
            "keys": [
                {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": kid, "x": _text(key)}
                for kid, key in self._keys.items()
            ]
        }

    async def _verify_with_news(self, token: str, now_s: float) -> _Verified:
        if not 0 <= now_s - self._fetched_s < UNKNOWN_EVERY_S:
            await self.refresh()
        try:
            return self._verified(token)
        except _UnknownKey:
            raise Refusal("bad_token", "the token is not one of ours") from None

    async def _fetch(self) -> None:
        try:
            now = self._clock()
            context = new_context("system", "gateway", now)
            found = await self._users.verification(context, c.VerificationQuery())
            self._fetched_s = now.timestamp()
            keys = {key.kid: _public_key(key.x) for key in found.keys}
            if (
                self._keys.keys() - keys.keys()
            ):  # what was verified with a key that is gone is verified no more
                self._verified.cache_clear()
            self._keys = keys
            self._ended = {ended.id: ended.before_s for ended in found.ended}
        finally:
            self._fetching = None

    def _check_signature(self, token: str) -> _Verified:
        if len(token) > TOKEN_LENGTH_MAX:
            raise Refusal("bad_token", "the token is not one of ours")
        try:
            header = cast(Mapping[str, Any], jwt.get_unverified_header(token))
            kid = header.get("kid")
            if header.get("alg") != ALGORITHM or header.get("typ") != TYPE or not isinstance(kid, str):
                raise Refusal("bad_token", "the token is not one of ours")
            key = self._keys.get(kid)
            if key is None:
                raise _UnknownKey
            payload = jwt.decode(  # pyright: ignore[reportUnknownMemberType]
                token, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER,
                # our own clock decides about times, in verify()
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )  # fmt: skip
            claims = msgspec.convert(payload, Claims)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError) as error:
            raise Refusal("bad_token", "the token is not one of ours") from error
        caller = c.Caller(role=claims.role, id=claims.sub, person=claims.person, access=claims.access)
        return _Verified(
            caller, max(claims.nbf, claims.iat) - CLOCK_SKEW_S, claims.exp, claims.iat, _may_end(claims)
        )


def _may_end(claims: Claims) -> tuple[str, ...]:
    """The session, and the person: of a token that a session has brought. Others end with their time."""
    return (claims.sid, claims.person or claims.sub) if claims.sid else ()


def _public_key(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _text(key: Ed25519PublicKey) -> str:
    return urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()
