"""What the log says, kept for those who listen."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from prometheus_client import Counter

from tiffin.events.event import Event
from tiffin.primitives.clock import Clock
from tiffin.services.webhooks.deliveries import DeliveryStore
from tiffin.services.webhooks.delivery import DeliveryRow, delivery_id, restaurant_of
from tiffin.services.webhooks.listening import Listener, Listening

_heard = Counter("tiffin_webhooks_deliveries", "Deliveries heard of, repeated ones included.", ["type"])


class WebhooksConsumer:
    """Keeps one delivery for each event and endpoint, however often the event comes.

    What happens while an endpoint is disabled is kept as failed: it can be replayed.
    """

    name = "webhooks"

    def __init__(
        self,
        store: DeliveryStore,
        listening: Listening,
        types: Collection[str],
        kept: timedelta,
        clock: Clock,
    ) -> None:
        """`types` are all that restaurants may be told of; `kept` is how long deliveries are."""
        self._store = store
        self._listening = listening
        self._kept = kept
        self._clock = clock
        self.types = frozenset(types)

    async def handle(self, events: Sequence[Event]) -> None:
        """Take some events."""
        now = self._clock()
        await self._listening.refresh()
        rows: list[DeliveryRow] = []
        for event in events:
            restaurant_id = restaurant_of(event)
            if restaurant_id is None or event.at < now - self._kept:
                continue  # of nobody's, or somebody is reading an old log
            for listener in self._listening.of(restaurant_id):
                if event.type in listener.types:
                    rows.append(_row(event, restaurant_id, listener))
                    _heard.labels(event.type).inc()
        if rows:
            await self._store.add(rows, now)


def _row(event: Event, restaurant_id: str, listener: Listener) -> DeliveryRow:
    return DeliveryRow(
        shard=listener.shard,
        endpoint_id=listener.endpoint_id,
        id=delivery_id(event),
        restaurant_id=restaurant_id,
        key=f"{event.stream}:{event.key}",
        version=event.version,
        type=event.type,
        body=event.data,
        at=event.at,
        state="waiting" if listener.enabled else "failed",
        reason=None if listener.enabled else "endpoint_disabled",
        done_at=None if listener.enabled else event.at,
    )
