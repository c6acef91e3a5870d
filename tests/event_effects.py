"""Consumers with an effect that can be counted, and events for them in bulk."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date
from random import Random

from log_bench import order_event, today
from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.inbox import unmarked
from tiffin.storage.node import Connection, Node

PATIENCE_S = 60.0
CHUNK = 20_000

_MAKE = """
CREATE TABLE IF NOT EXISTS effects (
    consumer text NOT NULL, key text NOT NULL, version int NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY)
"""
_ADD = """
INSERT INTO effects (consumer, key, version)
SELECT $1, key, version FROM unnest($2::text[], $3::int[]) AS t (key, version)
"""
_COUNT = """
SELECT count(*) AS effects, count(DISTINCT (key, version)) AS events FROM effects WHERE consumer = $1
"""
_APPEND = """
INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace, day)
SELECT 'customer', 0, 'order', key, version, 'order.accepted', $3, now(), 'request', $4
  FROM unnest($1::text[], $2::int[]) AS t (key, version)
"""

Id = tuple[str, int]
"""Key and version."""


class Poison(Exception):
    """What a handler raises about an event it cannot take."""


class Effects:
    """One consumer's: it notes every event it had, marked in the same transaction if that is wanted."""

    def __init__(self, node: Node, name: str, *, marked: bool = True) -> None:
        self._node = node
        self.name = name
        self._marked = marked
        self.poison: set[Id] = set()
        self.before: Callable[[Sequence[Event]], Awaitable[object]] | None = None
        """What is to happen before the effect."""
        self.between: Callable[[Sequence[Event]], Awaitable[object]] | None = None
        """What is to happen when the effect is committed and not acknowledged yet."""

    async def make(self) -> None:
        await self._node.execute(_MAKE)

    async def handle(self, events: Sequence[Event]) -> None:
        if self.before is not None:
            await self.before(events)
        if self.poison and (bad := self.poison.intersection(ids_of(events))):
            raise Poison(f"cannot take {sorted(bad)[0]}")
        async with self._node.transaction() as connection:
            fresh = await unmarked(connection, self.name, events) if self._marked else events
            await self.note(connection, fresh)
        if self.between is not None:
            await self.between(events)

    async def ids(self) -> list[Id]:
        """Every effect, in order."""
        rows = await self._node.fetch(
            "SELECT key, version FROM effects WHERE consumer = $1 ORDER BY number", self.name
        )
        return [(row["key"], row["version"]) for row in rows]

    async def counts(self) -> tuple[int, int]:
        """How many effects, and of how many events."""
        row = await self._node.fetchrow(_COUNT, self.name)
        assert row is not None
        return row["effects"], row["events"]

    async def note(self, connection: Connection, events: Sequence[Event]) -> None:
        """The effect itself."""
        await connection.execute(
            _ADD, self.name, [event.key for event in events], [event.version for event in events]
        )


def ids_of(events: Iterable[Event]) -> list[Id]:
    return [(event.key, event.version) for event in events]


async def eventually(condition: Callable[[], Awaitable[bool]], patience_s: float = PATIENCE_S) -> None:
    """Until it is so."""
    async with asyncio.timeout(patience_s):
        while not await condition():
            await asyncio.sleep(0.01)


async def append_ids(node: Node, ids: Sequence[Id], day: date | None = None) -> None:
    """An event for each of these, in this order."""
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        await node.execute(
            _APPEND, [key for key, _ in some], [version for _, version in some], order_event("0"),
            day or today(),
        )  # fmt: skip


def disturbed(ids: Sequence[Id], random: Random, window: int) -> list[Id]:
    """Each one to five times, and shuffled in windows, as no transport should but may."""
    repeated = [id_ for id_ in ids for _ in range(random.randint(1, 5))]
    for start in range(0, len(repeated), window):
        some = repeated[start : start + window]
        random.shuffle(some)
        repeated[start : start + window] = some
    return repeated


def order_ids(orders: int, versions: int) -> list[Id]:
    """Events of so many orders, each order's in order of its versions, interleaved."""
    return [(str(order), version) for version in range(1, versions + 1) for order in range(1, orders + 1)]


def doubled(ids: Iterable[Id]) -> list[Id]:
    return [id_ for id_, count in Counter(ids).items() if count > 1]


def consumer_of(effects: Effects, name: str, **wants: object) -> Consumer:
    return Consumer(name, effects.handle, **wants)  # type: ignore[arg-type]
