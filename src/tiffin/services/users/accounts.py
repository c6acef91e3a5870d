"""Which person a phone belongs to."""

import asyncpg

from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.users.codes import normal_phone
from tiffin.services.users.credentials import Credentials
from tiffin.services.users.queries import QUERIES
from tiffin.services.users.store import CustomerStore
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

NAMELESS = "New customer"
"""The name of who has not said theirs yet."""
ATTEMPTS_MAX = 3


class Accounts:
    """A phone is one person's: that of the account that was first to have it."""

    def __init__(self, router: Router, store: CustomerStore, credentials: Credentials) -> None:
        self._router = router
        self._store = store
        self._credentials = credentials

    async def claim(self, phone: str, person_id: str) -> bool:
        """Make the phone this person's. False if it is somebody's already."""
        phone, shard = normal_phone(phone), shard_of(normal_phone(phone))

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["claim_phone"], shard, phone, person_id)

        return await self._router.write("customer", shard, do) is not None

    async def owner(self, phone: str) -> str | None:
        """Whose phone it is."""
        phone, shard = normal_phone(phone), shard_of(normal_phone(phone))
        row = await self._router.read(
            "customer", shard, lambda node: node.fetchrow(QUERIES["owner_of_phone"], shard, phone)
        )
        return row["person_id"] if row else None

    async def release(self, phone: str, person_id: str) -> None:
        """The phone is no more this person's."""
        phone, shard = normal_phone(phone), shard_of(normal_phone(phone))
        await self._router.read(
            "customer", shard, lambda node: node.fetchrow(QUERIES["release_phone"], shard, phone, person_id)
        )

    async def person(self, phone: str, name: str | None) -> tuple[str, bool]:
        """The person with this phone, and whether the account had to be made.

        The phone is claimed first: a process that dies in between leaves the rest to the next sign-in.
        """
        for _ in range(ATTEMPTS_MAX):
            person_id = await self.owner(phone)
            if person_id is None:
                person_id = self._credentials.new_name("p")
                if not await self.claim(phone, person_id):
                    continue
            customer = c.Customer(
                id=person_id, name=name or NAMELESS, phone=normal_phone(phone), addresses=[]
            )
            return person_id, await self._store.add(customer, b"")
        raise Unavailable("busy", "this phone is signing up elsewhere at the moment")
