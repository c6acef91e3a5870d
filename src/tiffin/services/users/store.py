"""Customers in the database: a row a customer, changed by compare and set."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from tiffin.rpc import contracts as c
from tiffin.services.users.queries import QUERIES
from tiffin.sharding.read_many import read_many
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

_decode = msgspec.json.Decoder(c.Customer).decode


class Stored(NamedTuple):
    """A customer as the row says."""

    customer: c.Customer
    version: int
    created_from: bytes
    """Hash of the request that created the customer."""


class CustomerStore:
    """Reads and writes `users.customers`."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def load(self, known: Mapping[str, Stored | None]) -> dict[str, Stored]:
        """Customers by id; those that do not exist, or were erased, are left out."""
        rows = await read_many(self._router, "customer", list(known), _ask)
        return {
            id_: Stored(_decode(row["customer"]), row["version"], row["created_from"])
            for id_, row in rows.items()
            if row["customer"]
        }

    async def add(self, customer: c.Customer, created_from: bytes) -> bool:
        """Write a new customer. False if the id is taken."""
        shard = shard_of(customer.id)
        text = msgspec.json.encode(customer).decode()

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["add_customer"], shard, customer.id, text, created_from)

        return await self._router.write("customer", shard, do) is not None

    async def change(self, customer: c.Customer, expected_version: int) -> bool:
        """Write a changed customer. False if the row is not, or no longer, of the expected version."""
        shard = shard_of(customer.id)
        text = msgspec.json.encode(customer).decode()

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["change_customer"], shard, customer.id, expected_version, text)

        return await self._router.write("customer", shard, do) is not None


async def _ask(node: Node, shards: Sequence[int], ids: Sequence[str]) -> list[asyncpg.Record]:
    return await node.fetch(QUERIES["customers"], *shards, ids)
