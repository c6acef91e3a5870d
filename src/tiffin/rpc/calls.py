"""What became of the calls a server was asked for, as Prometheus metrics."""

from collections.abc import Mapping
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tiffin.observability.metrics import DURATION_BUCKETS_S
from tiffin.rpc.limits import CallerClass, Gate

Outcome = Literal["ok", "refused", "unavailable", "bug", "unreadable"]

_METHOD = ["service", "method"]


class MethodCalls:
    """One method's numbers. Their children are kept: finding one is dearer than counting."""

    def __init__(self, calls: "CallMetrics", service: str, method: str) -> None:
        self.running = 0
        self._counted: dict[Outcome, Counter] = {}
        self._labels = (service, method)
        self._calls = calls.calls
        self._seconds = calls.seconds.labels(service, method)
        calls.in_flight.labels(service, method).set_function(lambda: self.running)

    def count(self, outcome: Outcome) -> None:
        """A call was answered."""
        counter = self._counted.get(outcome)
        if counter is None:
            counter = self._counted[outcome] = self._calls.labels(*self._labels, outcome)
        counter.inc()

    def took(self, seconds: float) -> None:
        """A call was carried out, from its frame's arrival to its answer."""
        self._seconds.observe(seconds)


class CallMetrics:
    """The metrics of one server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "tiffin_rpc_server_calls", "Calls answered, by how.", [*_METHOD, "outcome"], registry=registry
        )
        self.seconds = Histogram(
            "tiffin_rpc_server_call_duration_seconds", "From a call's frame to its answer, waiting included.",
            _METHOD, buckets=DURATION_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "tiffin_rpc_server_calls_in_flight", "Calls being carried out.", _METHOD, registry=registry
        )
        self._turned_away = Counter(
            "tiffin_rpc_server_turned_away", "Calls that were not begun: why, and whose.",
            ["caller_class", "reason"], registry=registry,
        )  # fmt: skip
        self._broken = Counter(
            "tiffin_rpc_server_connections_broken",
            "Connections closed for what came over them.",
            registry=registry,
        )
        self._waiting = Gauge(
            "tiffin_rpc_server_calls_waiting",
            "Calls waiting for their turn.",
            ["caller_class"],
            registry=registry,
        )

    def watch(self, gates: Mapping[CallerClass, Gate[Any]]) -> None:
        """Show how many wait at each gate."""
        for name, gate in gates.items():
            self._waiting.labels(name).set_function(lambda gate=gate: gate.waiting)

    def turned_away(self, caller_class: CallerClass, reason: str) -> None:
        """A call was not begun."""
        self._turned_away.labels(caller_class, reason).inc()

    def connection_broken(self) -> None:
        """A connection was closed for what came over it."""
        self._broken.inc()
