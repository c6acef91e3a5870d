"""The connections to one address: a bounded number, shared by a bounded number of calls.

A call has its place from the moment it is let in until its answer has come or cannot come any more, even if
its caller goes before that: what a service still works on counts as its load.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from prometheus_client import Gauge

from tiffin.rpc import contracts as c
from tiffin.rpc.addresses import Address
from tiffin.rpc.breaker import Breaker, State
from tiffin.rpc.connection import Connection, End
from tiffin.rpc.wire import MethodWire

PATIENCE_S = 0.05
"""A call that expires after less than this says nothing about who did not answer it."""

_in_flight = Gauge(
    "tiffin_rpc_client_in_flight", "Calls an address has not answered.", ["service", "address"]
)
_connections = Gauge("tiffin_rpc_client_connections", "Connections open or opening.", ["service", "address"])
_breakers = Gauge(
    "tiffin_rpc_client_breaker", "0 closed, 1 half-open, 2 open: left alone.", ["service", "address"]
)
_healthy = Gauge(
    "tiffin_rpc_client_healthy", "1 if the address last said that it serves.", ["service", "address"]
)
_BREAKER_FIGURES = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


@dataclass(frozen=True)
class ClientLimits:
    """What a client takes on at once."""

    connections_max: int = 4
    """For an address. One more is opened when those there are have `calls_per_connection_max` each."""
    calls_per_connection_max: int = 128
    waiting_max: int = 1000
    """Calls waiting for a place, of the whole client. More are refused at once."""


class Pool:
    """One address. Not healthy is a hint to whoever chooses; an open breaker lets nobody in."""

    def __init__(
        self, service: str, address: Address, limits: ClientLimits, freed: Callable[[], None]
    ) -> None:
        """`freed` is told when a place has become free or the breaker has moved."""
        self._loop = asyncio.get_running_loop()
        self.name = address.text
        self._address = address
        self._limits = limits
        self._freed = freed
        self._breaker = Breaker()
        self._connections: list[Connection] = []
        self._turn = 0
        self._ended = partial(self._release, True), partial(self._release, False)
        self.in_flight = 0
        self.healthy = True
        self._labels = service, address.text
        figures: dict[Gauge, Callable[[], float]] = {
            _in_flight: lambda: self.in_flight,
            _connections: lambda: len(self._connections),
            _breakers: lambda: _BREAKER_FIGURES[self._breaker.state],
            _healthy: lambda: self.healthy,
        }
        for gauge, figure in figures.items():
            gauge.labels(*self._labels).set_function(figure)

    @property
    def is_full(self) -> bool:
        """No place is free."""
        return self.in_flight >= self._limits.connections_max * self._limits.calls_per_connection_max

    def rest_s(self) -> float | None:
        """How long the breaker lets nobody in; `None` if it does now."""
        now = self._loop.time()
        if self._breaker.would_allow(now):
            return None
        return self._breaker.wait_s(now)

    def take(self) -> None:
        """Take a place. There must be one, and the breaker must allow it."""
        self._breaker.allow(self._loop.time())
        self.in_flight += 1

    def give_back(self) -> None:
        """The place that was taken is not needed after all."""
        self._release(False, End.UNSENT)

    def begin(
        self, wire: MethodWire, context: c.CallContext, request: msgspec.Struct, until: float
    ) -> tuple[Connection, int, asyncio.Future[Any]]:
        """Send a call, in a place that was taken: from here on it is given back by itself."""
        patient = until - self._loop.time() >= PATIENCE_S
        connection = self._connection()
        try:
            number, answer = connection.begin(wire, context, request, until, self._ended[not patient])
        except BaseException:
            self.give_back()
            raise
        return connection, number, answer

    async def ask_health(
        self, wire: MethodWire, context: c.CallContext, request: Any, within_s: float
    ) -> Any:
        """A call beside the limits and the breaker, one at a time. `CallLost` if there is no answer."""
        until = self._loop.time() + within_s
        _, answer = self._connection().begin(wire, context, request, until, lambda end: None)
        return await answer

    def came_back(self) -> None:
        """It says that it serves, and did not before: who was left alone for long is tried at once."""
        self._breaker.came_back(self._loop.time())
        self._freed()

    def close(self) -> None:
        """Now: calls under way are lost."""
        for gauge in (_in_flight, _connections, _breakers, _healthy):
            gauge.remove(*self._labels)
        for connection in list(self._connections):
            connection.close("this client was closed")

    def _connection(self) -> Connection:
        """One without calls, else the one with the fewest; a new one if all have what they may. They take
        turns: whose turn it is has most likely been answered."""
        best: Connection | None = None
        count = len(self._connections)
        for _ in range(count):
            self._turn = (self._turn + 1) % count
            each = self._connections[self._turn]
            if best is None or each.in_flight < best.in_flight:
                best = each
            if not best.in_flight:
                return best
        if best is None or (
            best.in_flight >= self._limits.calls_per_connection_max and count < self._limits.connections_max
        ):
            best = Connection(self._address, self._retired)
            self._connections.append(best)
        return best

    def _retired(self, connection: Connection, failed: bool) -> None:
        self._connections.remove(connection)
        if failed:
            self._breaker.failed(self._loop.time())
            self._freed()

    def _release(self, patient: bool, end: End) -> None:
        self.in_flight -= 1
        if end is End.ANSWERED:
            self._breaker.succeeded()
        elif end is End.EXPIRED and patient:
            self._breaker.failed(self._loop.time())
        else:
            self._breaker.gave_up(self._loop.time())
        self._freed()
