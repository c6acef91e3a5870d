"""The server: framed binary Thrift over TCP, any number of calls at once on every connection.

async with RpcServer({"Orders": orders}, clock) as server:
    await server.listen("127.0.0.1", 7001)
    ...
    await server.drain(10)
"""

import asyncio
import socket
from collections.abc import Mapping
from typing import Self, cast

import structlog
from prometheus_client import CollectorRegistry

from tiffin.primitives.clock import Clock
from tiffin.rpc.codec import Unreadable
from tiffin.rpc.dispatch import Dispatcher
from tiffin.rpc.frames import Frames, FrameTooLong
from tiffin.rpc.limits import Limits

DRAIN_S = 10.0
CLOSE_S = 1.0
"""How long a closing connection may take to send its last answers."""

_log = structlog.get_logger()


class RpcServer:
    """Serves objects by their contracts: `services` maps a service's name in the IDL to what answers for it.

    Metrics go to `registry`. Callers are believed who they say they are: listen where only the platform is.
    """

    def __init__(
        self,
        services: Mapping[str, object],
        clock: Clock,
        limits: Limits | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._dispatcher = Dispatcher(services, clock, self._limits, registry or CollectorRegistry())
        self._listeners: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()
        self._closed = False
        self.address: tuple[str, int] = ("", 0)
        """Host and port it listens at."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain(DRAIN_S)

    async def listen(self, host: str, port: int) -> None:
        """Accept connections at `host` and `port`; 0 picks a free one."""
        listener = await asyncio.get_running_loop().create_server(self._connect, host, port)
        self._listeners.append(listener)
        self.address = listener.sockets[0].getsockname()[:2]

    @property
    def in_flight(self) -> int:
        """Calls being carried out or waiting for their turn."""
        return self._dispatcher.in_flight

    async def drain(self, timeout_s: float) -> int:
        """Accept and begin nothing more, finish what has begun, and close. Health says "draining" meanwhile.

        Returns how many calls were given up because they took longer than `timeout_s`.
        """
        if self._closed:
            return 0
        self._dispatcher.drain()
        for listener in self._listeners:
            listener.close()
        try:
            async with asyncio.timeout(timeout_s):
                await self._dispatcher.idle()
        except TimeoutError:
            pass
        given_up = await self._dispatcher.give_up()
        self._closed = True
        await self._close_connections()
        if given_up:
            _log.warning("rpc_calls_given_up", calls=given_up)
        return given_up

    def _connect(self) -> asyncio.Protocol:
        return _Connection(self._dispatcher, self._limits, self._connections)

    async def _close_connections(self) -> None:
        closing = [*self._connections]
        for connection in closing:
            connection.close()
        if closing:
            await asyncio.wait([connection.closed for connection in closing], timeout=CLOSE_S)
        for connection in [*self._connections]:
            connection.abort()


class _Connection(asyncio.Protocol):
    """One client. Answers leave in the order they are ready; those of one turn of the loop in one write."""

    def __init__(self, dispatcher: Dispatcher, limits: Limits, connections: "set[_Connection]") -> None:
        self._loop = asyncio.get_running_loop()
        self._dispatcher = dispatcher
        self._limits = limits
        self._connections = connections
        self._frames = Frames(limits.frame_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._answers: list[bytes] = []
        self._frame_timer: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connections.add(self)
        if len(self._connections) > self._limits.connections_max:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.discard(self)
        self._stop_frame_timer()
        self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        try:
            payloads = self._frames.feed(data)
            for payload in payloads:
                self._dispatcher.take(payload, self._answer)
        except (Unreadable, FrameTooLong) as error:
            self._break(str(error))
            return
        if payloads:
            self._stop_frame_timer()
        if self._frames.is_unfinished and self._frame_timer is None:
            self._frame_timer = self._loop.call_later(
                self._limits.frame_s, self._break, "a frame did not arrive in time"
            )

    def pause_writing(self) -> None:
        """The client reads too slowly: it is not heard until it has caught up."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Send what is ready, then close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def _break(self, why: str) -> None:
        """The client breaks the protocol: nothing it sends from here on can be told apart."""
        _log.warning("rpc_connection_broken", why=why)
        self._dispatcher.metrics.connections_broken += 1
        self.close()
        self._loop.call_later(CLOSE_S, self.abort)

    def _answer(self, frame: bytes) -> None:
        if self._transport is None:
            return
        if not self._answers:
            self._loop.call_soon(self._flush)
        self._answers.append(frame)

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        if answers and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(answers))

    def _stop_frame_timer(self) -> None:
        if self._frame_timer is not None:
            self._frame_timer.cancel()
            self._frame_timer = None
