"""What a consumer has done, on one node: as metrics, and as a row for `tiffin consumers`."""

import asyncio
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from tiffin.events.dead_letters import storable
from tiffin.events.versions import Seen
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

TROUBLE_MAX = 500

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
_repeats = Counter(
    "tiffin_consumer_repeats", "Events that came again, by their versions.", ["consumer", "node"]
)
_missing = Counter(
    "tiffin_consumer_gaps", "Versions of a key that were left out, be it that they came later.",
    ["consumer", "node"],
)  # fmt: skip
_late = Counter("tiffin_consumer_late", "Of those, the ones that did come later.", ["consumer", "node"])
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
        self._repeats, self._missing, self._late = (
            metric.labels(*labels) for metric in (_repeats, _missing, _late)
        )
        self._handled_count = self._failure_count = 0
        self._lag_s = 0.0
        self._trouble: str | None = None
        """What failed last, if nothing has worked since."""
        self._since_s: float | None = None
        self.depth: int | None = None
        """What the transport holds for it, if that is not to be read off the log."""

    def handled(self, events: int, lag_s: float) -> None:
        """So many have had their effect; the oldest of them so long after it happened."""
        self._metrics[0].inc(events)
        self._metrics[2].observe(lag_s)
        self._handled_count += events
        self._lag_s = lag_s
        self._trouble = None

    def seen(self, versions: Seen, is_complete: bool) -> None:
        """What the events' versions say. Who does not get all events has gaps that mean nothing."""
        self._repeats.inc(versions.repeated)
        if is_complete:
            self._missing.inc(versions.missing)
            self._late.inc(versions.late)

    def passed(self, events: int) -> None:
        """So many were of no concern."""
        self._metrics[0].inc(events)

    def failed(self, error: str) -> None:
        """A batch failed, whosever fault it was."""
        self._metrics[1].inc()
        self._failure_count += 1
        self._trouble = storable(error[:TROUBLE_MAX])

    def dead(self, letters: int) -> None:
        """So many letters are open."""
        self._dead.set(letters)

    async def report(self, now: datetime) -> None:
        """Write down what has happened since the last time; nothing if nothing has."""
        now_s = asyncio.get_running_loop().time()
        seconds = now_s - self._since_s if self._since_s is not None else 0.0
        self._since_s = now_s
        handled, failures = self._handled_count, self._failure_count
        if not handled and not failures and self.depth is None:
            return
        await self._node.execute(
            _QUERIES["report"], self._consumer, self._transport, handled, failures,
            handled / seconds if seconds > 0 else 0.0, self._lag_s, self.depth, now, self._trouble,
        )  # fmt: skip
        self._handled_count -= handled
        self._failure_count -= failures
