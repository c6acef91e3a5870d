"""From new to old: a reader of the log that writes orders which Tiffin decides about into the monolith's
table.

It writes the order as it is now, not what an event says, and never over what is newer: repetition is no harm.
What was told by the old system it never hears of, so it may run all the time.
"""

from collections.abc import Awaitable, Callable, Sequence

from tiffin.events.event import Event
from tiffin.migration.live.desk import Desk, Row
from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.orders.states import EVENTS
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.migration.live", "forget.sql")

TYPES = frozenset(f"order.{event}" for event in (*EVENTS, "taken_over", "handed_back"))
"""All that happens to an order here; not that it was adopted."""

Find = Callable[[Sequence[int]], Awaitable[Sequence[c.AsAdopted]]]
"""Orders by their ids here: those that were adopted, from whatever source, in the terms in which they came.
"""


def consumer_name(source: str) -> str:
    """Under which the log knows the reader of a source."""
    return f"migration.{source}"


async def forget_reader(nodes: Sequence[Node], source: str) -> None:
    """Nothing is written back any more."""
    for node in nodes:
        await node.execute(_QUERIES["forget_reader"], consumer_name(source))


class WriteBack:
    """Keeps the table of one source up with Tiffin."""

    def __init__(self, desk: Desk, find: Find, source: str, row_of: Callable[[c.LegacyOrder], Row]) -> None:
        self.name = consumer_name(source)
        self._desk = desk
        self._find = find
        self._row_of = row_of

    async def handle(self, events: Sequence[Event]) -> None:
        """Write the orders of these events that the old system knows."""
        ids = sorted({int(event.key) for event in events if event.stream == "order"})
        found = await self._find(ids)
        rows = [self._row_of(each.order) for each in found]
        if await self._desk.write_back(rows) is None and not all(each.held for each in found):
            # the truth is changing sides at this moment, or somebody was killed while it did
            raise Unavailable("migration_switching", f"{self.name}: it is not known yet who has the truth")
