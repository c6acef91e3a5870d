"""What a client counts of each method it calls."""

from typing import Literal

from prometheus_client import Counter, Histogram

from tiffin.observability.metrics import DURATION_BUCKETS_S

Outcome = Literal["ok", "refused", "unavailable", "cancelled", "bug"]

_durations = Histogram(
    "tiffin_rpc_client_duration_seconds", "From the call to its end, tries and pauses included.",
    ["service", "method", "outcome"], buckets=DURATION_BUCKETS_S,
)  # fmt: skip
_retries = Counter("tiffin_rpc_client_retries", "Calls made again.", ["service", "method"])


class MethodMetrics:
    """Of one method of one service."""

    def __init__(self, service: str, method: str) -> None:
        self._labels = service, method
        self._ok = _durations.labels(service, method, "ok")
        self._retries = _retries.labels(service, method)

    def ended(self, outcome: Outcome, took_s: float) -> None:
        """A call is over."""
        ended = self._ok if outcome == "ok" else _durations.labels(*self._labels, outcome)
        ended.observe(took_s)

    def retried(self) -> None:
        """A call is about to be made again."""
        self._retries.inc()
