"""Erasing a person: everything `users` knows of them goes, and whoever else knows something is told."""

from datetime import datetime

import asyncpg
import msgspec

from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.users.forgetting import next_round
from tiffin.services.users.queries import QUERIES
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

EVENT = "customer.erased"
TOLD_AT_ONCE_MAX = 100


class Erasure:
    """The person's row stays, empty: their id is never anybody else's."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def erase(self, person_id: str, request_id: str, now: datetime) -> None:
        """Name, addresses, sessions, grants, and the event: one statement. Repeating it changes nothing."""
        shard = shard_of(person_id)
        due_at = next_round(now, told=1)

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(
                QUERIES["erase"], shard, person_id, now, due_at, _event(person_id, 1, now), request_id
            )

        if await self._router.read("customer", shard, do) is None and not await self.is_erased(person_id):
            raise Refusal("person_not_found", "no such person", {"person_id": person_id})

    async def is_erased(self, person_id: str) -> bool:
        """Whether this person has been erased."""
        shard = shard_of(person_id)
        row = await self._router.read(
            "customer", shard, lambda node: node.fetchrow(QUERIES["is_erased"], shard, person_id)
        )
        return row is not None and row["erased"]


async def tell_again(node: Node, now: datetime) -> bool:
    """Log again those erasures of this node whose next round has come. Whether there may be more."""
    async with node.transaction() as connection:
        due = await connection.fetch(QUERIES["erasures_due"], now, TOLD_AT_ONCE_MAX)
        for row in due:
            shard, person_id, told = row["shard"], row["person_id"], row["told"] + 1
            event = _event(person_id, told, now, last=next_round(row["erased_at"], told) is None)
            await connection.execute(
                QUERIES["log_person"], shard, person_id, told, event, now, "users.erasures"
            )
            due_at = next_round(row["erased_at"], told)
            if due_at is None:
                await connection.execute(QUERIES["told_last"], shard, person_id)
            else:
                await connection.execute(QUERIES["told_again"], shard, person_id, told, due_at)
    return len(due) == TOLD_AT_ONCE_MAX


def _event(person_id: str, version: int, now: datetime, last: bool = False) -> str:
    event = c.PersonEvent(person_id=person_id, type=EVENT, version=version, last=last, at=to_text(now))
    return msgspec.json.encode(event).decode()
