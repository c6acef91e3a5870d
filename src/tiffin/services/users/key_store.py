"""The signing keys, on the directory node: shared by every process of `users`, their private parts sealed."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta

import asyncpg
import structlog
from cryptography.fernet import Fernet, InvalidToken

from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.access_token import LIFETIME_MAX_S
from tiffin.services.users.queries import QUERIES
from tiffin.services.users.rotation import Known, next_signs_from, retired, signer
from tiffin.services.users.sealing import KEY_BYTES, derive
from tiffin.services.users.signing import SigningKey, platform_key
from tiffin.storage.node import Node

FRESH = timedelta(seconds=5)
"""How long a process signs without looking at the store; well within `rotation.AHEAD`."""
_LOCK = 0x7469666605
_TOKEN_LIFETIME = timedelta(seconds=LIFETIME_MAX_S)

_log = structlog.get_logger()


class KeyStore:
    """Keys that follow one another by themselves."""

    def __init__(
        self, directory: Node, secret: bytes, age_s: int, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._directory = directory
        self._platform = platform_key(secret)
        self._seal = Fernet(urlsafe_b64encode(derive(secret, "signing keys at rest")))
        self._age = timedelta(seconds=age_s)
        self._random_bytes = random_bytes
        self._opened: dict[str, SigningKey] = {}
        self._rows: list[asyncpg.Record] = []
        self._read_at: datetime | None = None

    async def signing_key(self, now: datetime) -> SigningKey:
        """The key to sign with now. Makes the first, or the next, if it is time."""
        if self._read_at is None or not timedelta() <= now - self._read_at < FRESH:
            await self._refresh(now)
        known = signer(self._ours(), now)
        if known is None:
            raise Unavailable("no_signing_key", "there is no key to sign with yet")
        return self._opened[known.kid]

    async def public_keys(self, now: datetime) -> list[c.PublicKey]:
        """All keys that a valid token may be signed with: the platform's own, and those of the store."""
        await self._refresh(now)
        return [
            self._platform.public_key(),
            *(c.PublicKey(kid=row["kid"], x=row["public"]) for row in self._rows),
        ]

    async def _refresh(self, now: datetime) -> None:
        await self._read(now)
        if next_signs_from(self._ours(), now, self._age) is not None or retired(
            self._all(), now, _TOKEN_LIFETIME
        ):
            await self._rotate(now)
            await self._read(now)

    async def _read(self, now: datetime) -> None:
        rows = await self._directory.fetch(QUERIES["signing_keys"])
        for row in rows:
            if row["kid"] not in self._opened:
                self._open(row)
        self._rows, self._read_at = rows, now

    def _open(self, row: asyncpg.Record) -> None:
        try:
            self._opened[row["kid"]] = SigningKey.of(self._seal.decrypt(row["sealed"]))
        except InvalidToken:  # sealed with another secret: what it has signed still counts, it signs no more
            _log.warning("signing_key_sealed_otherwise", kid=row["kid"])

    async def _rotate(self, now: datetime) -> None:
        """One process at a time, and only if it is still wanted."""
        async with self._directory.transaction() as connection:
            await connection.execute(QUERIES["lock_signing_keys"], _LOCK)
            self._rows = await connection.fetch(QUERIES["signing_keys"])
            for row in self._rows:
                if row["kid"] not in self._opened:
                    self._open(row)
            signs_from = next_signs_from(self._ours(), now, self._age)
            if signs_from is not None:
                seed = self._random_bytes(KEY_BYTES)
                key = SigningKey.of(seed)
                sealed = self._seal.encrypt(seed)
                await connection.execute(QUERIES["add_signing_key"], key.kid, key.public, sealed, signs_from)
            await connection.execute(QUERIES["drop_signing_keys"], retired(self._all(), now, _TOKEN_LIFETIME))

    def _all(self) -> list[Known]:
        return [Known(row["kid"], row["signs_from"]) for row in self._rows]

    def _ours(self) -> list[Known]:
        return [known for known in self._all() if known.kid in self._opened]
