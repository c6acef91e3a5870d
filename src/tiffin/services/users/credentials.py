"""Secrets that are handed out: random, shown once, kept as a hash."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest, digest

from tiffin.services.users.sealing import derive

SECRET_BYTES = 32
ID_BYTES = 12


class Credentials:
    """Makes ids and secrets from `random_bytes`, which must be fit for secrets."""

    def __init__(self, platform_secret: bytes, random_bytes: Callable[[int], bytes]) -> None:
        self.code_key = derive(platform_secret, "codes at rest")
        self._member_key = derive(platform_secret, "member ids")
        self._random_bytes = random_bytes

    def new_id(self) -> str:
        """An id nobody can guess: 16 characters of base64url."""
        return _text(self._random_bytes(ID_BYTES))

    def new_name(self, prefix: str) -> str:
        """An id for people to read: the prefix and twenty hexadecimal digits."""
        return f"{prefix}-{self._random_bytes(10).hex()}"

    def new_secret(self) -> str:
        """43 characters of base64url."""
        return _text(self._random_bytes(SECRET_BYTES))

    def member_id(self, restaurant_id: str, person_id: str) -> str:
        """Stands for the person in this restaurant: nobody without the secret finds out for whom it does."""
        of = f"{restaurant_id}\0{person_id}".encode()
        return f"m-{digest(self._member_key, of, 'sha256').hex()[:20]}"

    def random_below(self, limit: int) -> int:
        """An even draw of 0 to `limit` - 1; 16 bytes make the unevenness smaller than anybody can tell."""
        return int.from_bytes(self._random_bytes(16), "big") % limit


def hash_of_secret(secret: str) -> bytes:
    """What is kept of a secret. No salt and no stretching: it is 256 random bits, not a password."""
    return sha256(secret.encode()).digest()


def is_secret(kept: bytes, secret: str) -> bool:
    """Whether it is the secret, in a time that does not tell how nearly."""
    return compare_digest(kept, hash_of_secret(secret))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
