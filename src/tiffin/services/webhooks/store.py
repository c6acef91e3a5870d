"""Endpoints and the partners of restaurants in the database: on the node of their owner's shard."""

from collections.abc import Callable
from datetime import datetime

import asyncpg

from tiffin.services.webhooks.endpoint import EndpointRow, Kind, owner_of
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.services.webhooks")
ENDPOINTS_MAX = 10
"""Of one owner."""


class EndpointStore:
    """Reads and writes who is to be called."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def add(self, row: EndpointRow) -> bool:
        """Keep a new one. False if its owner has as many as there may be."""

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["add_endpoint"], *row, ENDPOINTS_MAX)

        return await self._router.write("restaurant", row.shard, do) is not None

    async def find(self, endpoint_id: str) -> tuple[EndpointRow, datetime | None] | None:
        """An endpoint, and since when it has been failing."""
        rows = await self._rows("endpoint", shard_of(owner_of(endpoint_id)), endpoint_id)
        return rows[0] if rows else None

    async def of(self, kind: Kind, owner: str) -> list[tuple[EndpointRow, datetime | None]]:
        """An owner's, oldest first."""
        return await self._rows("endpoints_of", shard_of(owner), kind, owner)

    async def change(self, row: EndpointRow, now: datetime) -> None:
        """Another address, other events, enabled or not. Enabled it begins anew."""

        async def do(node: Node) -> None:
            async with node.transaction() as connection:
                await connection.execute(
                    QUERIES["change_endpoint"], row.shard, row.id, row.url, row.types, row.enabled, row.reason
                )
                if row.enabled:
                    await connection.execute(QUERIES["begin_anew"], row.shard, row.id)
                await connection.execute(QUERIES["look_now"], row.shard, row.id, now)

        await self._router.write("restaurant", row.shard, do)

    async def disable(self, row: EndpointRow, reason: str) -> bool:
        """It is called no more. False if it was not before."""

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["disable"], row.shard, row.id, reason)

        return await self._router.write("restaurant", row.shard, do) is not None

    async def set_secrets(self, row: EndpointRow, make: Callable[[EndpointRow], str]) -> EndpointRow | None:
        """Other secrets, made of the row as it is; None if it is gone."""

        async def do(node: Node) -> EndpointRow | None:
            async with node.transaction() as connection:
                record = await connection.fetchrow(QUERIES["lock_endpoint"], row.shard, row.id)
                if record is None:
                    return None
                locked = EndpointRow(*record)
                locked = locked._replace(secrets=make(locked))
                await connection.execute(QUERIES["set_secrets"], row.shard, row.id, locked.secrets)
                return locked

        return await self._router.write("restaurant", row.shard, do)

    async def remove(self, endpoint_id: str) -> None:
        """Forget it and all its deliveries."""
        shard = shard_of(owner_of(endpoint_id))

        async def do(node: Node) -> None:
            async with node.transaction() as connection:
                for name in ("remove_endpoint", "forget_lane", "forget_queue", "forget_deliveries"):
                    await connection.execute(QUERIES[name], shard, endpoint_id)

        await self._router.write("restaurant", shard, do)

    async def let_partner(self, restaurant_id: str, partner_id: str) -> None:
        """The partner hears of the restaurant from now on."""
        await self._change_partner("let_partner", restaurant_id, partner_id)

    async def stop_partner(self, restaurant_id: str, partner_id: str) -> None:
        """It hears no more."""
        await self._change_partner("stop_partner", restaurant_id, partner_id)

    async def partners_of(self, restaurant_id: str) -> list[str]:
        """Whom the restaurant lets."""
        shard = shard_of(restaurant_id)
        records = await self._router.read(
            "restaurant", shard, lambda node: node.fetch(QUERIES["partners_of"], shard, restaurant_id)
        )
        return [record["partner_id"] for record in records]

    async def _change_partner(self, query: str, restaurant_id: str, partner_id: str) -> None:
        shard = shard_of(restaurant_id)

        async def do(node: Node) -> None:
            await node.execute(QUERIES[query], shard, restaurant_id, partner_id)

        await self._router.write("restaurant", shard, do)

    async def _rows(
        self, query: str, shard: int, *arguments: object
    ) -> list[tuple[EndpointRow, datetime | None]]:
        records = await self._router.read(
            "restaurant", shard, lambda node: node.fetch(QUERIES[query], shard, *arguments)
        )
        return [(EndpointRow(*tuple(record)[:-1]), record["failing_since"]) for record in records]
