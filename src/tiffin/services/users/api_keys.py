"""Keys of foreign systems: `tk_<subject>.<id>.<secret>`. The secret is shown once and kept as a hash."""

from datetime import datetime, timedelta
from typing import Any

import asyncpg

from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.users.credentials import Credentials, hash_of_secret, is_secret
from tiffin.services.users.queries import QUERIES
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

PREFIX = "tk_"
KEYS_MAX = 50
"""Of one subject."""
USE_NOTED_EVERY = timedelta(minutes=1)


class ApiKeys:
    """Rows beside whom they act for: the key itself says whose it is, so one shard is asked."""

    def __init__(self, router: Router, credentials: Credentials) -> None:
        self._router = router
        self._credentials = credentials

    async def create(self, request: c.CreateApiKey, by: str, now: datetime) -> c.CreatedApiKey:
        """A new key; only its bearer will know it."""
        id_, secret = self._credentials.new_id(), self._credentials.new_secret()
        subject, shard = request.subject, shard_of(request.subject)

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(
                QUERIES["add_api_key"], shard, subject, id_, request.role, request.label,
                hash_of_secret(secret), now, by, KEYS_MAX,
            )  # fmt: skip

        if await self._router.write("restaurant", shard, do) is None:
            raise Refusal("too_many_api_keys", f"at most {KEYS_MAX} keys", {"max": KEYS_MAX})
        about = c.ApiKey(
            key_id=f"{subject}.{id_}", role=request.role, subject=subject, label=request.label,
            created_at=to_text(now), created_by=by,
        )  # fmt: skip
        return c.CreatedApiKey(key=f"{PREFIX}{about.key_id}.{secret}", about=about)

    async def of(self, subject: str) -> list[c.ApiKey]:
        """The keys that act for somebody, oldest first."""
        shard = shard_of(subject)
        rows = await self._router.read(
            "restaurant", shard, lambda node: node.fetch(QUERIES["api_keys"], shard, subject)
        )
        return [_about(row) for row in rows]

    async def find(self, key_id: str) -> c.ApiKey | None:
        """What a key id stands for."""
        subject, _, id_ = key_id.rpartition(".")
        row = await self._row(subject, "api_key", id_)
        return _about(row) if row else None

    async def revoke(self, key_id: str) -> bool:
        """The key opens nothing any more. False if there is none."""
        subject, _, id_ = key_id.rpartition(".")
        return await self._row(subject, "revoke_api_key", id_) is not None

    async def revoke_persons(self, person_id: str) -> None:
        """All keys that act for a person; a restaurant of the same id keeps its own."""
        await self._row(person_id, "revoke_api_keys")

    async def check(self, key: str, now: datetime) -> c.ApiKey:
        """Whose key it is. `Refusal("bad_token")` if it opens nothing. Its use is noted, to the minute."""
        parts = key.removeprefix(PREFIX).rsplit(".", 2)
        if not key.startswith(PREFIX) or len(parts) != 3 or not all(parts) or "\0" in key:
            raise bad_key()
        subject, id_, secret = parts
        row = await self._row(subject, "api_key", id_)
        if row is None or not is_secret(row["secret_hash"], secret):
            raise bad_key()
        if row["used_at"] is None or now - row["used_at"] >= USE_NOTED_EVERY:
            await self._row(subject, "used_api_key", id_, now)
        return _about(row)

    async def _row(self, subject: str, query: str, *arguments: object) -> asyncpg.Record | None:
        shard = shard_of(subject)
        return await self._router.read(
            "restaurant", shard, lambda node: node.fetchrow(QUERIES[query], shard, subject, *arguments)
        )


def bad_key() -> Refusal:
    """Unknown, revoked or misspelled: one answer for all."""
    return Refusal("bad_token", "this API key opens nothing")


def _about(row: Any) -> c.ApiKey:
    return c.ApiKey(
        key_id=f"{row['subject']}.{row['id']}",
        role=row["role"],
        subject=row["subject"],
        label=row["label"],
        created_at=to_text(row["created_at"]),
        created_by=row["created_by"],
        used_at=to_text(row["used_at"]) if row["used_at"] else None,
    )
