"""In which roles people may act: staff of restaurants, couriers, operators. Everybody is a customer."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg

from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.users.credentials import Credentials
from tiffin.services.users.queries import QUERIES
from tiffin.sharding.read_many import read_many
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

STAFF_MAX = 500
"""Of one restaurant."""


class Roles:
    """The truth is the grant beside its person. A restaurant's list of its staff says whom to ask about."""

    def __init__(self, router: Router, credentials: Credentials) -> None:
        self._router = router
        self._credentials = credentials
        self._changing_owners = asyncio.Lock()

    async def of(self, person_id: str) -> list[c.Grant]:
        """The person's grants."""
        shard = shard_of(person_id)
        rows = await self._router.read(
            "customer", shard, lambda node: node.fetch(QUERIES["grants"], shard, person_id)
        )
        return [
            c.Grant(
                role=row["role"],
                subject=row["subject"],
                access=row["access"],
                since=to_text(row["granted_at"]),
            )
            for row in rows
        ]

    async def access(self, person_id: str, restaurant_id: str) -> str | None:
        """What the person may do in the restaurant: `owner`, `manager`, `staff` or nothing."""
        row = await self._find(person_id, "restaurant", restaurant_id)
        return row["access"] if row else None

    async def caller(self, person_id: str, role: str, restaurant_id: str | None) -> c.Caller:
        """The person as whom they want to act. `Refusal("role_not_granted")` if they may not."""
        if role == "customer":
            return c.Caller(role="customer", id=person_id)
        if role == "restaurant" and restaurant_id is None:
            raise Refusal("invalid_request", "which restaurant? restaurant_id is missing")
        subject = restaurant_id if role == "restaurant" else person_id
        assert subject is not None
        row = await self._find(person_id, role, subject)
        if row is None:
            raise role_not_granted(role)
        if role == "restaurant":
            return c.Caller(role="restaurant", id=subject, person=person_id, access=row["access"])
        return c.Caller(role="courier" if role == "courier" else "operator", id=person_id)

    async def grant(
        self, person_id: str, role: str, subject: str, access: str | None, by: str, now: datetime
    ) -> datetime:
        """Let the person act so from now on. Since when they may."""
        if role == "restaurant":
            await self._add_staff(subject, person_id)
        shard = shard_of(person_id)

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["grant"], shard, person_id, role, subject, access, now, by)

        row = await self._router.write("customer", shard, do)
        assert row is not None
        return row["granted_at"]

    async def revoke(self, person_id: str, role: str, subject: str) -> bool:
        """Take it away. False if they had no such grant."""
        shard = shard_of(person_id)
        row = await self._router.read(
            "customer",
            shard,
            lambda node: node.fetchrow(QUERIES["revoke_grant"], shard, person_id, role, subject),
        )
        if role == "restaurant":
            await self.leave(subject, person_id)
        return row is not None

    async def leave(self, restaurant_id: str, person_id: str) -> None:
        """Take somebody off a restaurant's list."""
        shard = shard_of(restaurant_id)
        await self._router.read(
            "restaurant",
            shard,
            lambda node: node.fetchrow(QUERIES["remove_staff"], shard, restaurant_id, person_id),
        )

    async def staff(self, restaurant_id: str) -> list[c.StaffMember]:
        """Who may act for the restaurant, the longest-serving first."""
        shard = shard_of(restaurant_id)
        listed = await self._router.read(
            "restaurant", shard, lambda node: node.fetch(QUERIES["staff"], shard, restaurant_id)
        )

        async def ask(node: Node, shards: Sequence[int], ids: Sequence[str]) -> list[asyncpg.Record]:
            return await node.fetch(QUERIES["staff_grants"], *shards, ids, restaurant_id)

        grants = await read_many(self._router, "customer", [row["person_id"] for row in listed], ask)
        members = sorted(grants.values(), key=lambda row: (row["granted_at"], row["id"]))
        return [
            c.StaffMember(
                person_id=row["id"], access=row["access"], since=to_text(row["granted_at"]),
                member_id=self._credentials.member_id(restaurant_id, row["id"]),
            )
            for row in members
        ]  # fmt: skip

    @asynccontextmanager
    async def changing_owners(self, restaurant_id: str) -> AsyncGenerator[list[c.StaffMember]]:
        """The restaurant's owners. As long as this is entered nobody else enters it for this restaurant."""
        node = self._router.node("restaurant", shard_of(restaurant_id))
        # the lock of this process first: one of its connections waits for that of the others, not all
        async with self._changing_owners, node.transaction() as connection:
            await connection.execute(QUERIES["lock_owners"], restaurant_id)
            yield [member for member in await self.staff(restaurant_id) if member.access == "owner"]

    async def _add_staff(self, restaurant_id: str, person_id: str) -> None:
        shard = shard_of(restaurant_id)

        async def do(node: Node) -> None:
            row = await node.fetchrow(QUERIES["count_staff"], shard, restaurant_id)
            if row is not None and row["staff"] >= STAFF_MAX:
                raise Refusal("too_many_staff", f"at most {STAFF_MAX} people", {"max": STAFF_MAX})
            await node.execute(QUERIES["add_staff"], shard, restaurant_id, person_id)

        await self._router.write("restaurant", shard, do)

    async def _find(self, person_id: str, role: str, subject: str) -> asyncpg.Record | None:
        shard = shard_of(person_id)
        return await self._router.read(
            "customer",
            shard,
            lambda node: node.fetchrow(QUERIES["grant_of"], shard, person_id, role, subject),
        )


def role_not_granted(role: str) -> Refusal:
    """Somebody wants to act as what they are not."""
    return Refusal("role_not_granted", f"you may not act as {role} there")
