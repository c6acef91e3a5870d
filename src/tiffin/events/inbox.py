"""The inbox: for consumers that are not idempotent by themselves, effect and mark in one transaction.

    async with node.transaction() as connection:
        fresh = await unmarked(connection, "loyalty", events)
        await connection.execute(ADD_POINTS, [event.key for event in fresh], ...)

The marks are on the node on which the effect is, be the events of whichever. They are kept for longer than
the log keeps the events, so whatever can come again finds its mark.
"""

from collections.abc import Sequence

from prometheus_client import Counter

from tiffin.events.dead_letters import id_of
from tiffin.events.event import Event
from tiffin.storage.node import Connection
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.events")
_repeats = Counter("tiffin_inbox_repeats", "Events that had been marked before.", ["consumer"])


async def unmarked(connection: Connection, consumer: str, events: Sequence[Event]) -> list[Event]:
    """Mark these for the consumer, in the caller's transaction. Returns those that were not marked before,
    each once, in the order given: their effect belongs into this transaction.

    Waits for a transaction that marks the same at the same time: if that one commits, its events are not
    given here. Marks are made in the order of their names, so two such transactions never wait in a circle.
    """
    rows = await connection.fetch(
        _QUERIES["mark"],
        consumer,
        [event.stream for event in events],
        [event.key for event in events],
        [event.version for event in events],
        [event.day for event in events],
    )
    _repeats.labels(consumer).inc(len(events) - len(rows))
    left = {(row["stream"], row["key"], row["version"]) for row in rows}
    fresh: list[Event] = []
    for event in events:
        if (id_ := id_of(event)) in left:
            left.remove(id_)
            fresh.append(event)
    return fresh
