"""What became of the calls a server was asked for, as Prometheus metrics.

Counted in plain numbers and read when somebody asks: the client library's own counters cost a call 2 us.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tiffin.observability.metrics import DURATION_BUCKETS_S
from tiffin.rpc.limits import CallerClass, Gate

Outcome = Literal["ok", "refused", "unavailable", "bug", "unreadable"]

_METHOD = ["service", "method"]


class MethodCalls:
    """One method's numbers."""

    __slots__ = ("counted", "durations", "method", "running", "seconds", "service")

    def __init__(self, service: str, method: str) -> None:
        self.service = service
        self.method = method
        self.counted: Counter[Outcome] = Counter()
        """Calls answered."""
        self.running = 0
        self.durations = [0] * (len(DURATION_BUCKETS_S) + 1)
        self.seconds = 0.0

    def took(self, seconds: float) -> None:
        """A call was carried out, from its frame's arrival to its answer."""
        self.durations[bisect_left(DURATION_BUCKETS_S, seconds)] += 1
        self.seconds += seconds


class CallMetrics(Collector):
    """The metrics of one server."""

    def __init__(self, registry: CollectorRegistry, gates: Mapping[CallerClass, Gate[Any]]) -> None:
        self._methods: list[MethodCalls] = []
        self._gates = gates
        self.turned_away: Counter[tuple[CallerClass, str]] = Counter()
        """Calls that were not begun: whose, and why."""
        self.connections_broken = 0
        registry.register(self)

    def of(self, service: str, method: str) -> MethodCalls:
        """The numbers of one more method."""
        self._methods.append(MethodCalls(service, method))
        return self._methods[-1]

    def collect(self) -> Iterator[Metric]:
        """As `Collector`."""
        calls = CounterMetricFamily(
            "tiffin_rpc_server_calls", "Calls answered, by how.", labels=[*_METHOD, "outcome"]
        )
        durations = HistogramMetricFamily(
            "tiffin_rpc_server_call_duration_seconds",
            "From a call's frame to its answer, waiting included.",
            labels=_METHOD,
        )
        in_flight = GaugeMetricFamily(
            "tiffin_rpc_server_calls_in_flight", "Calls being carried out.", labels=_METHOD
        )
        bounds = [*(str(bound) for bound in DURATION_BUCKETS_S), "+Inf"]
        for each in self._methods:
            labels = [each.service, each.method]
            for outcome, count in [*each.counted.items()]:
                calls.add_metric([*labels, outcome], count)
            buckets = [*zip(bounds, accumulate(each.durations), strict=True)]
            durations.add_metric(labels, buckets, each.seconds)
            in_flight.add_metric(labels, each.running)
        yield from (calls, durations, in_flight, *self._others())

    def _others(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "tiffin_rpc_server_calls_waiting", "Calls waiting for their turn.", labels=["caller_class"]
        )
        for name, gate in self._gates.items():
            waiting.add_metric([name], gate.waiting)
        turned_away = CounterMetricFamily(
            "tiffin_rpc_server_turned_away",
            "Calls that were not begun: whose, and why.",
            labels=["caller_class", "reason"],
        )
        for (caller_class, reason), count in [*self.turned_away.items()]:
            turned_away.add_metric([caller_class, reason], count)
        yield from (waiting, turned_away)
        yield CounterMetricFamily(
            "tiffin_rpc_server_connections_broken",
            "Connections closed for what came over them.",
            value=self.connections_broken,
        )
