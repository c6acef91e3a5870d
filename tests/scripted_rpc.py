"""A Thrift service that does what a test tells it, faults included. Its calls are read as the server does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.context import new_context
from tiffin.rpc.frames import CALL_BYTES_MAX, Frames


def now() -> datetime:
    return datetime.now(UTC)


def context(timeout_ms: int = 20_000, **more: Any) -> c.CallContext:
    made = new_context("customer", "ann", now(), timeout_ms)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def payment_list(*names: str) -> c.PaymentList:
    """An answer of `Payments.list_payments` that can be told from others."""
    money = c.Money(amount=1, currency="EUR")
    return c.PaymentList(
        payments=[
            c.Payment(id=name, order_id="1", amount=money, state="pending", created_at="", updated_at="")
            for name in names
        ]
    )


@dataclass(eq=False)
class Asked:
    """A call that has arrived. `sent` to its connection goes any bytes at all."""

    method: wire.MethodWire
    sequence_id: int
    context: c.CallContext
    request: Any
    connection: "_Connection"

    def answer(self, result: Any) -> None:
        """Answer properly: with a result, or what the service raises."""
        self.send(self.frame(result))

    def frame(self, result: Any, sequence_id: int | None = None) -> bytes:
        number = self.sequence_id if sequence_id is None else sequence_id
        if isinstance(result, Refusal):
            return self.method.encode_refusal(number, result)
        if isinstance(result, Unavailable):
            return self.method.encode_unavailable(number, result)
        return self.method.encode_result(number, result)

    def send(self, data: bytes) -> None:
        self.connection.transport.write(data)

    def cut(self) -> None:
        self.connection.transport.abort()


class ScriptedRpc:
    """Health is answered with `state`, everything else as `on_call` does. Without it calls are kept."""

    def __init__(self, service: str = "Payments") -> None:
        self.asked: list[Asked] = []
        self.connections: list[_Connection] = []
        self.state: str | None = "serving"
        self.on_call: Callable[[Asked], None] = lambda asked: None
        self._methods = {method.wire_name: method for method in wire.services[service].values()}
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self.address = ""

    async def listen(self, path: Path | None = None) -> None:
        """At the same port as before if there was one."""
        loop = asyncio.get_running_loop()
        if path is not None:
            self._server = await loop.create_unix_server(lambda: _Connection(self), path)
            self.address = f"unix:{path}"
            return
        port = int(self.address.rpartition(":")[2] or 0)
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self.connections:
            connection.transport.abort()
        await self._server.wait_closed()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until something that a call or a lost connection brings about."""
        async with asyncio.timeout(20), self._arrived:
            await self._arrived.wait_for(condition)

    async def got(self, calls: int) -> list[Asked]:
        """The calls so far, as soon as there are so many."""
        await self.until(lambda: len(self.asked) >= calls)
        return self.asked

    @property
    def open_connections(self) -> list["_Connection"]:
        return [connection for connection in self.connections if not connection.lost]

    def take(self, connection: "_Connection", payload: bytes) -> None:
        message = wire.read_message(payload)
        method = self._methods[message.name]
        asked_by, request = method.decode_call(payload, message.body_at)
        asked = Asked(method, message.sequence_id, asked_by, request, connection)
        if method.name == "health":
            if self.state is not None:
                asked.answer(c.HealthReport(state=self.state, in_flight=0))
            return
        self.asked.append(asked)
        self.on_call(asked)
        self.changed()

    def changed(self) -> None:
        asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()


class _Connection(asyncio.Protocol):
    def __init__(self, server: ScriptedRpc) -> None:
        self._server = server
        self._frames = Frames(CALL_BYTES_MAX)
        self.transport: Any = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._server.connections.append(self)

    def data_received(self, data: bytes) -> None:
        for payload in self._frames.feed(data):
            self._server.take(self, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._server.changed()
