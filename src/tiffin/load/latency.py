"""How long things took: counts in buckets two per cent wide, so a day's worth costs a few kilobytes."""

import math
from dataclasses import dataclass

_WIDTH = math.log(1.02)
_SMALLEST_S = 1e-5


@dataclass(frozen=True)
class Percentiles:
    """Seconds. Right within one per cent; `max_s` is exact."""

    count: int
    p50_s: float
    p90_s: float
    p99_s: float
    p999_s: float
    max_s: float


class Latencies:
    """A growing set of durations."""

    def __init__(self) -> None:
        self.count = 0
        self._max_s = 0.0
        self._buckets: dict[int, int] = {}

    def add(self, duration_s: float) -> None:
        bucket = int(math.log(max(duration_s, _SMALLEST_S) / _SMALLEST_S) / _WIDTH)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        if duration_s > self._max_s:  # noqa: PLR1730 - a call costs more than the comparison
            self._max_s = duration_s

    def at(self, share: float) -> float:
        """The duration, in seconds, that `share` of all stay within; 0 if there are none."""
        wanted, seen = math.ceil(self.count * share), 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return min(_SMALLEST_S * math.exp((bucket + 0.5) * _WIDTH), self._max_s)
        return 0.0

    def percentiles(self) -> Percentiles:
        return Percentiles(self.count, self.at(0.5), self.at(0.9), self.at(0.99), self.at(0.999), self._max_s)
