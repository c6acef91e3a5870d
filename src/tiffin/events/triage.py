"""Dead letters and cursors as an operator has them: browse, replay, discard; set a consumer back."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from tiffin.events.dead_letters import EventId, State
from tiffin.events.event import Event
from tiffin.events.reader import QUERIES, START, Cursor, end, from_moment, log_begins
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

_LETTERS = load_queries("tiffin.events", "dead_letters.sql")


class Which(NamedTuple):
    """The letters that are meant: those of which all that is given is so."""

    consumer: str | None = None
    event: EventId | None = None
    order_id: int | None = None
    restaurant_id: str | None = None
    reason: str | None = None
    """A part of it, in whatever case."""
    since: datetime | None = None
    """Failed last then or later."""
    until: datetime | None = None
    """Failed last before then."""


class Letter(NamedTuple):
    """A dead letter."""

    consumer: str
    event: Event
    order_id: int | None
    restaurant_id: str | None
    state: State
    tries: int
    reason: str
    stack: str
    first_failed_at: datetime
    last_failed_at: datetime


class Standing(NamedTuple):
    """How a consumer stands on a node. None: it has not told, or this cannot be known of its transport."""

    consumer: str
    transport: str | None
    handled: int | None
    failures: int | None
    rate: float | None
    """Events a second when it last told."""
    lag_s: float | None
    """From an event to its effect, in its newest batch."""
    reported_at: datetime | None
    depth: int | None
    """Events waiting."""
    age_s: float | None
    """Of the oldest event waiting in the log."""
    dead_letters: int
    """Open ones."""
    trouble: str | None
    """What failed last; None: something has worked since, as far as it has told."""


class TooOld(Exception):
    """The log does not go back that far; the message says how far it does."""


async def browse(node: Node, which: Which, states: Sequence[State], limit: int) -> list[Letter]:
    """Letters in these states, the newest failures first."""
    rows = await node.fetch(_LETTERS["browse"], *_arguments(which), list(states), limit)
    return [Letter(row[0], Event(*row[1:13]), *row[13:]) for row in rows]


async def replay(node: Node, which: Which) -> int:
    """Have these open letters handled again by their consumers. Returns how many: a letter that is being
    replayed already, or was, is left alone."""
    return len(await node.fetch(_LETTERS["replay"], *_arguments(which)))


async def discard(node: Node, which: Which) -> int:
    """Give these open letters up; they are kept for a while to be seen. Returns how many. What is parked
    behind them is handled."""
    return len(await node.fetch(_LETTERS["discard"], *_arguments(which)))


async def standings(node: Node) -> list[Standing]:
    """Every consumer that this node knows, by name."""
    return [Standing(*row) for row in await node.fetch(QUERIES["overview"])]


async def set_cursor(node: Node, consumer: str, to: datetime | None) -> bool:
    """Have a consumer go on from a moment, forwards or back; None: from the log's beginning. Events come
    again, or never. Whoever works for it ends the batch it is at. False: the node does not know it.

    `TooOld` if the log does not go back that far.
    """
    async with node.transaction() as connection:
        begins = await log_begins(connection)
        if to is not None and to < _midnight(begins):
            raise TooOld(f"the log of node {node.name} goes back to {begins}")
        cursor = START if to is None else await from_moment(connection, to)
        return await connection.fetchval(QUERIES["reset_cursor"], consumer, *_columns(cursor)) is not None


async def skip_to_end(node: Node, consumer: str) -> bool:
    """Have a consumer go on behind all that has happened. False: the node does not know it."""
    async with node.transaction() as connection:
        cursor = await end(connection)
        return await connection.fetchval(QUERIES["reset_cursor"], consumer, *_columns(cursor)) is not None


def _columns(cursor: Cursor) -> tuple[str, int, int]:
    return str(cursor.xid), cursor.position, cursor.day


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _arguments(which: Which) -> tuple[object, ...]:
    stream, key, version = which.event or (None, None, None)
    return (
        which.consumer, stream, key, version, which.order_id, which.restaurant_id, which.reason, which.since,
        which.until,
    )  # fmt: skip
