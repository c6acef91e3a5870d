"""The relay: what is in a node's log goes to the broker, in its order, and is marked when it is there."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from prometheus_client import Gauge

from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.rabbitmq import messages, names
from tiffin.events.rabbitmq.messages import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Place, place_of
from tiffin.events.rabbitmq.publisher import Outcome, Publisher
from tiffin.events.rabbitmq.wire import Message
from tiffin.events.reader import Cursor
from tiffin.events.runner import ConsumerRunner
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

NAME = "relay"
GATHER_S = 0.02
PUBLISH_DEADLINE_S = 10.0
COUNT_INTERVAL_S = 5.0
COUNT_MAX = 100_000
"""Further behind than so many events is not counted, for that takes long."""

_QUERIES = load_queries("tiffin.events.rabbitmq")
_log = structlog.get_logger()
_lag = Gauge("tiffin_relay_lag_events", "Events that are not sent yet, up to 100,000.", ["node"])
_unrouted = Gauge("tiffin_relay_unrouted", "Events at hand that no queue takes.", ["node"])


async def forget(node: Node) -> None:
    """Nothing is broadcast any more: the log need not keep its days for a relay that does not come."""
    await node.execute(_QUERIES["forget"], NAME)


class _Sending(NamedTuple):
    """An event, and the ids of the two messages it goes out in."""

    event: Event
    single: str
    batch: str


class Relay(ConsumerRunner):
    """A consumer of the log whose effect is that others hear of it. Of several processes one leads a node's.

    It needs nothing of those who write, and nobody who writes waits for it: while the broker is away it falls
    behind, and catches up. An event that no queue takes is published again until one does, and so is, in
    order, all that came after it.
    """

    def __init__(self, node: Node, url: str, clock: Clock, starts_at: datetime | None = None) -> None:
        """`starts_at`: what is broadcast first where nothing has been yet; None: all that the log has."""
        super().__init__(Consumer(NAME, self._relay, GATHER_S, starts_at=starts_at), node, clock)
        self._relayed, self._name = node, node.name
        self._url = url
        self._publisher: Publisher | None = None
        self._sent = self._begun_at = Place(0, 0)
        """Everything up to there has been confirmed; from there on this process has led."""
        self._last: dict[str, Place] = {}
        """Of each type: its last event before those to come."""
        self._batches_taken = False
        """Whether somebody takes batches: then an event that comes in one has been taken."""

    async def run(self) -> None:
        counting = asyncio.create_task(self._count())
        try:
            await super().run()
        finally:
            counting.cancel()
            if self._publisher is not None:
                await self._publisher.connection.close()

    async def _count(self) -> None:
        """Tell how far behind the relay is, whoever is the relay."""
        while True:
            try:
                row = await self._relayed.fetchrow(_QUERIES["lag"], NAME, COUNT_MAX)
                _lag.labels(self._name).set(row["events"] if row else 0)
            except Unavailable:
                pass  # counted again soon
            await asyncio.sleep(COUNT_INTERVAL_S)

    async def _cursor(self, connection: Connection) -> Cursor:
        cursor = await super()._cursor(connection)
        self._sent = self._begun_at = place_of(cursor)
        self._last.clear()
        return cursor

    async def _relay(self, events: Sequence[Event]) -> None:
        """Never anything but `Unavailable`, or the same events would be taken for bad ones."""
        try:
            await self._publish([event for event in events if place_of(event) > self._sent])
        except Unavailable:
            raise
        except Exception as error:
            _log.exception("relay_failed", node=self._name)
            raise Unavailable("relay_failed", repr(error)) from error

    async def _publish(self, events: Sequence[Event]) -> None:
        if not events:
            return
        publisher = await self._connected()
        mandatory = not self._batches_taken
        last, previous = dict(self._last), self._sent
        outgoing: list[Message] = []
        sendings: list[_Sending] = []
        for chunk in _chunks(events):
            batch = messages.batch(self._name, chunk, previous)
            previous = place_of(chunk[-1])
            outgoing.append(batch)
            for event in chunk:
                before = last.get(event.type, self._begun_at)
                single = messages.single(self._name, event, before, mandatory)
                last[event.type] = place_of(event)
                outgoing.append(single)
                sendings.append(_Sending(event, single.id, batch.id))
        outcome = await publisher.publish(outgoing, PUBLISH_DEADLINE_S)
        self._settle(sendings, mandatory, outcome)

    def _settle(self, sendings: Sequence[_Sending], mandatory: bool, outcome: Outcome) -> None:
        """Remember how far everything has been taken. `Unavailable` if that is not all the way."""
        self._batches_taken = sendings[-1].batch not in outcome.returned
        untaken = [sending.event for sending in sendings if not _taken(sending, mandatory, outcome)]
        for sending in sendings:
            if untaken and sending.event is untaken[0]:
                break
            self._sent = self._last[sending.event.type] = place_of(sending.event)
        _unrouted.labels(self._name).set(len(untaken))
        if untaken and (mandatory or self._batches_taken):
            raise Unavailable(
                "no_queue", f"{len(untaken)} events, the first {untaken[0].type}: no queue takes them"
            )
        if untaken:
            raise Unavailable("no_queue", "nobody takes batches any more")

    async def _connected(self) -> Publisher:
        if self._publisher is None or self._publisher.connection.lost.done():
            self._publisher = publisher = await Publisher.open(self._url)
            await names.declare_exchanges(publisher.connection)
        return self._publisher


def _taken(sending: _Sending, mandatory: bool, outcome: Outcome) -> bool:
    """Whether some queue has it, and none that wanted it is without."""
    if sending.single in outcome.refused or sending.batch in outcome.refused:
        return False
    alone = mandatory and sending.single not in outcome.returned
    return alone or sending.batch not in outcome.returned


def _chunks(events: Sequence[Event]) -> Iterable[Sequence[Event]]:
    chunk: list[Event] = []
    size = 0
    for event in events:
        if chunk and (len(chunk) == BATCH_EVENTS_MAX or size + len(event.data) > BATCH_BYTES_MAX):
            yield chunk
            chunk, size = [], 0
        chunk.append(event)
        size += len(event.data)
    if chunk:
        yield chunk
