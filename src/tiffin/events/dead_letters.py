"""Dead letters: events that a consumer could not take, kept on their node until somebody decides."""

import traceback
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from tiffin.events.event import Event
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

State = Literal["dead", "parked", "replaying", "replayed", "discarded"]
Key = tuple[str, str]
"""Stream and key: what events have an order among."""
EventId = tuple[str, str, int]
"""Stream, key and version: one event, however often it comes."""

REASON_MAX = 500
STACK_MAX = 8000
MANY = 10_000
"""Further than this open letters are not counted while consumers are at work."""
_ORDER_ID_MAX = 2**63 - 1

_QUERIES = load_queries("tiffin.events", "dead_letters.sql")


class Failure(NamedTuple):
    """An event that is to be a dead letter, and why."""

    event: Event
    state: State
    tries: int
    reason: str
    """One line."""
    stack: str


def failed(event: Event, error: Exception, tries: int) -> Failure:
    """An event that failed alone, so many times."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    stack = "".join(traceback.format_exception(error))
    return Failure(event, "dead", tries, storable(reason[:REASON_MAX]), storable(stack[-STACK_MAX:]))


def parked(event: Event) -> Failure:
    """An event that waits behind a dead one of its key."""
    return Failure(event, "parked", 0, f"behind a dead event of {event.stream} {event.key}"[:REASON_MAX], "")


def key_of(event: Event) -> Key:
    """What an event has an order within."""
    return event.stream, event.key


def id_of(event: Event) -> EventId:
    """What makes two deliveries the same event."""
    return event.stream, event.key, event.version


class Letters(NamedTuple):
    """Which letters there are."""

    open: int
    """`MANY` if there are more."""
    discarded: bool
    """Whether there is any that was given up."""


class DeadLetters:
    """The letters of one consumer on one node, as its delivery needs them."""

    def __init__(self, consumer: str, node: Node) -> None:
        self._consumer = consumer
        self._node = node

    async def bury(self, failures: Sequence[Failure], now: datetime) -> None:
        """Keep these, each event once. One that is there already is open again."""
        events = [failure.event for failure in failures]
        named = [_named(event) for event in events]
        await self._node.execute(
            _QUERIES["bury"], self._consumer,
            [e.stream for e in events], [e.key for e in events], [e.version for e in events],
            [str(e.xid) for e in events], [e.position for e in events], [e.day for e in events],
            [e.dimension for e in events], [e.shard for e in events], [e.type for e in events],
            [e.data for e in events], [e.at for e in events], [e.trace for e in events],
            [order_id for order_id, _ in named], [restaurant_id for _, restaurant_id in named],
            [f.state for f in failures], [f.tries for f in failures], [f.reason for f in failures],
            [f.stack for f in failures], now,
        )  # fmt: skip

    async def count(self) -> Letters:
        """Which there are."""
        row = await self._node.fetchrow(_QUERIES["count"], self._consumer, MANY)
        assert row is not None
        return Letters(*row)

    async def of_keys(self, keys: Collection[Key]) -> dict[EventId, bool]:
        """The open ones (true) and the discarded ones (false) of these keys."""
        streams, names = [stream for stream, _ in keys], [key for _, key in keys]
        rows = await self._node.fetch(_QUERIES["of_keys"], self._consumer, streams, names)
        return {(row["stream"], row["key"], row["version"]): row["is_open"] for row in rows}

    async def to_replay(self, ordered: bool, limit: int) -> list[Event]:
        """Those that are to be handled again, in the order of the log."""
        rows = await self._node.fetch(_QUERIES["to_replay"], self._consumer, ordered, limit)
        return [Event(*row) for row in rows]

    async def settle(self, events: Sequence[Event], now: datetime) -> None:
        """These have had their effect."""
        await self._node.execute(
            _QUERIES["settle"], self._consumer, [e.stream for e in events], [e.key for e in events],
            [e.version for e in events], now,
        )  # fmt: skip


class _Named(msgspec.Struct):
    """Whom an event is about, where it says so."""

    order_id: str | None = None
    restaurant_id: str | None = None


_decode = msgspec.json.Decoder(_Named).decode


def _named(event: Event) -> tuple[int | None, str | None]:
    """The order and the restaurant that an event names. What is dead may be unreadable: then neither."""
    try:
        named = _decode(event.data)
    except msgspec.DecodeError:
        named = _Named()
    order_id = event.key if event.stream == "order" else named.order_id
    is_number = order_id is not None and order_id.isdecimal() and int(order_id) <= _ORDER_ID_MAX
    return int(order_id) if order_id is not None and is_number else None, named.restaurant_id


def storable(text: str) -> str:
    """Without what PostgreSQL takes in no text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
