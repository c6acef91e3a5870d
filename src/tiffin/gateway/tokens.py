"""Bearer tokens: JSON Web Tokens, HS256 and nothing else."""

from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Literal

import jwt
import msgspec

from tiffin.gateway.routes import ANYONE
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc.contracts import Caller

AUDIENCE = "tiffin"
SECRET_BYTES_MIN = 32
CACHED_MAX = 20_000
CLOCK_SKEW_S = 60

_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}\Z")]


class _Claims(msgspec.Struct):
    """What a token must say. `system` is no role here: the platform's own parts do not come in by HTTP."""

    sub: _Id
    role: Literal["customer", "restaurant", "courier", "operator"]
    iat: int
    exp: int
    nbf: int = 0


class _Verified(msgspec.Struct, frozen=True):
    caller: Caller
    not_before_s: int
    expires_s: int


class Tokens:
    """Makes and checks tokens. Verified ones are remembered, their time is checked every time."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise ValueError(f"the token secret has {len(secret)} bytes, it needs {SECRET_BYTES_MIN}")
        self._secret = secret
        self._clock = clock
        self._claims_of = lru_cache(CACHED_MAX)(self._check_signature)

    def mint(self, role: str, subject: str, lifetime_s: int) -> str:
        """A token for `subject` in `role`. `ValueError` for a role HTTP does not know or a bad subject."""
        if role not in ANYONE:
            raise ValueError(f"no token for the role {role!r}")
        now = self._clock()
        expires = now + timedelta(seconds=lifetime_s)
        claims: dict[str, object] = {
            "sub": subject,
            "role": role,
            "aud": AUDIENCE,
            "iat": int(now.timestamp()),
            "exp": int(expires.timestamp()),
        }
        msgspec.convert(claims, _Claims)
        return jwt.encode(claims, self._secret, algorithm="HS256")  # pyright: ignore[reportUnknownMemberType]

    def verify(self, token: str, now_s: float) -> Caller:
        """Who holds this token. `Refusal("bad_token")` if it is not ours, or not valid at `now_s`."""
        verified = self._claims_of(token)
        if now_s >= verified.expires_s:
            raise Refusal("bad_token", "the token has expired")
        if now_s < verified.not_before_s:
            raise Refusal("bad_token", "the token is not valid yet")
        return verified.caller

    def _check_signature(self, token: str) -> _Verified:
        try:
            payload = jwt.decode(  # pyright: ignore[reportUnknownMemberType]
                token,
                self._secret,
                algorithms=["HS256"],
                audience=AUDIENCE,
                # our own clock decides about times, in verify()
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            claims = msgspec.convert(payload, _Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError, RecursionError) as error:
            raise Refusal("bad_token", "the token is not one of ours") from error
        caller = Caller(role=claims.role, id=claims.sub)
        return _Verified(caller, max(claims.nbf, claims.iat) - CLOCK_SKEW_S, claims.exp)
