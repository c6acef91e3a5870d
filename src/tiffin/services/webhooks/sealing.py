"""Secrets of endpoints: made here, kept sealed, opened to sign."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX = "whsec_"
SECRET_BYTES = 32
ID_BYTES = 12
OVERLAP = timedelta(days=1)
"""How long the secret before goes on signing beside a new one."""


class SealedSecret(msgspec.Struct, frozen=True):
    """As it is kept."""

    sealed: str
    until: datetime | None = None
    """From then on it signs no more. None: it is the newest."""


class Secrets:
    """Sealed with a key of the platform's: who reads the database cannot sign."""

    def __init__(self, platform_secret: bytes, random_bytes: Callable[[int], bytes]) -> None:
        """`random_bytes` has to be fit for secrets."""
        derived = HKDF(SHA256(), 32, salt=None, info=b"tiffin webhooks: secrets at rest").derive(
            platform_secret
        )
        self._seal = Fernet(urlsafe_b64encode(derived))
        self._random_bytes = random_bytes

    def new_id(self) -> str:
        """16 characters of base64url."""
        return urlsafe_b64encode(self._random_bytes(ID_BYTES)).decode()

    def new(self) -> tuple[str, SealedSecret]:
        """A secret as Standard Webhooks spells it, and as it is kept."""
        secret = PREFIX + b64encode(self._random_bytes(SECRET_BYTES)).decode()
        return secret, SealedSecret(self._seal.encrypt(secret.encode()).decode())

    def open(self, secrets: Sequence[SealedSecret], now: datetime) -> list[str]:
        """Those that sign now, the newest first."""
        return [self._seal.decrypt(each.sealed).decode() for each in signing(secrets, now)]


def signing(secrets: Sequence[SealedSecret], now: datetime) -> list[SealedSecret]:
    """Those that sign now."""
    return [each for each in secrets if each.until is None or now < each.until]


def followed_by(secrets: Sequence[SealedSecret], new: SealedSecret, now: datetime) -> list[SealedSecret]:
    """The new one first; of those before only the last, for a while: twice in a row does away with it."""
    newest = [msgspec.structs.replace(each, until=now + OVERLAP) for each in secrets if each.until is None]
    return [new, *newest]
