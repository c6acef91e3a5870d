"""What a consumer has done, on one node: as metrics, and as a row for `tiffin consumers`."""

import asyncio
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.events")

_handled = Counter(
    "tiffin_consumer_events", "Events handled, or passed as of no concern.", ["consumer", "node"]
)
_failures = Counter(
    "tiffin_consumer_failures", "Batches that failed and were tried again.", ["consumer", "node"]
)
_lag = Histogram(
    "tiffin_consumer_lag_seconds", "From a batch's first event to the effect.", ["consumer", "node"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
)  # fmt: skip
_dead = Gauge("tiffin_consumer_dead_letters", "Open dead letters, up to ten thousand.", ["consumer", "node"])


class Tally:
    """Counts since the last report; the database adds them up."""

    def __init__(self, consumer: str, node: Node, transport: str) -> None:
        self._consumer = consumer
        self._node = node
        self._transport = transport
        labels = (consumer, node.name)
        self._metrics = _handled.labels(*labels), _failures.labels(*labels), _lag.labels(*labels)
        self._dead = _dead.labels(*labels)
        self._handled_count = self._failure_count = 0
        self._lag_s = 0.0
        self._since_s = asyncio.get_event_loop().time()
        self.depth: int | None = None
        """What the transport holds for it, if that is not to be read off the log."""

    def handled(self, events: int, lag_s: float) -> None:
        """So many have had their effect; the oldest of them so long after it happened."""
        self._metrics[0].inc(events)
        self._metrics[2].observe(lag_s)
        self._handled_count += events
        self._lag_s = lag_s

    def passed(self, events: int) -> None:
        """So many were of no concern."""
        self._metrics[0].inc(events)

    def failed(self) -> None:
        """A batch failed, whosever fault it was."""
        self._metrics[1].inc()
        self._failure_count += 1

    def dead(self, letters: int) -> None:
        """So many letters are open."""
        self._dead.set(letters)

    async def report(self, now: datetime) -> None:
        """Write down what has happened since the last time; nothing if nothing has."""
        now_s = asyncio.get_running_loop().time()
        seconds, self._since_s = now_s - self._since_s, now_s
        handled, failures = self._handled_count, self._failure_count
        if not handled and not failures and self.depth is None:
            return
        await self._node.execute(
            _QUERIES["report"], self._consumer, self._transport, handled, failures,
            handled / seconds if seconds > 0 else 0.0, self._lag_s, self.depth, now,
        )  # fmt: skip
        self._handled_count -= handled
        self._failure_count -= failures
