"""Signing keys and what is signed with them. Ed25519: small, quick, and nothing to choose wrongly."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Self

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tiffin.primitives.clock import Clock
from tiffin.rpc import contracts as c
from tiffin.rpc.access_token import ALGORITHM, AUDIENCE, ISSUER, TYPE, Claims
from tiffin.services.users.sealing import derive

SECRET_BYTES_MIN = 32
KID_LENGTH = 16


@dataclass(frozen=True)
class SigningKey:
    """A private key and the name under which the public one is known: the beginning of its hash."""

    kid: str
    public: str
    """base64url without padding, as in a JWK."""
    _private: Ed25519PrivateKey

    @classmethod
    def of(cls, seed: bytes) -> Self:
        """The key that these 32 bytes are."""
        private = Ed25519PrivateKey.from_private_bytes(seed)
        raw = private.public_key().public_bytes_raw()
        return cls(
            sha256(raw).hexdigest()[:KID_LENGTH], urlsafe_b64encode(raw).rstrip(b"=").decode(), private
        )

    def sign(self, claims: Claims) -> str:
        """The token that says so."""
        return jwt.encode(  # pyright: ignore[reportUnknownMemberType]
            msgspec.to_builtins(claims), self._private, ALGORITHM, headers={"kid": self.kid, "typ": TYPE}
        )

    def public_key(self) -> c.PublicKey:
        """What the gateway checks with."""
        return c.PublicKey(kid=self.kid, x=self.public)


def platform_key(secret: bytes) -> SigningKey:
    """The key of whoever has the platform's secret. It does not rotate: it changes with the secret."""
    if len(secret) < SECRET_BYTES_MIN:
        raise ValueError(f"the platform's secret has {len(secret)} bytes, it needs {SECRET_BYTES_MIN}")
    return SigningKey.of(derive(secret, "platform key"))


class PlatformTokens:
    """Makes tokens on a machine that has the platform's secret: for operators, load, and trying things out.

    Needs no database and no server. Such tokens have no session, so nobody can sign them out: they end with
    their time, or with the secret.
    """

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._key = platform_key(secret)
        self._clock = clock

    def mint(self, role: str, subject: str, lifetime_s: int) -> str:
        """A token for `subject` in `role`. `ValueError` for a role HTTP does not know or a bad subject."""
        now = self._clock()
        try:
            claims = msgspec.convert(
                {
                    "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "role": role, "iat": now.timestamp(),
                    "exp": int((now + timedelta(seconds=lifetime_s)).timestamp()),
                },
                Claims,
            )  # fmt: skip
        except msgspec.ValidationError as error:
            raise ValueError(f"no token for the role {role!r} and the subject {subject!r}: {error}") from None
        return self._key.sign(claims)


def person_claims(caller: c.Caller, session_id: str, now: datetime, lifetime_s: int) -> Claims:
    """What the access token of a session says."""
    return msgspec.convert(
        {
            "iss": ISSUER, "aud": AUDIENCE, "sub": caller.id, "role": caller.role, "iat": now.timestamp(),
            "exp": int(now.timestamp()) + lifetime_s, "sid": session_id, "person": caller.person,
            "access": caller.access,
        },
        Claims,
    )  # fmt: skip
