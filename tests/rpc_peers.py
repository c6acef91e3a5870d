"""A real RPC server over services that do as they are told, and a client that sends any bytes it likes."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import structlog
from prometheus_client import CollectorRegistry

from manual_clock import ManualClock
from rpc_values import example
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.frames import ANSWER_BYTES_MAX, Frames
from tiffin.rpc.limits import Limits
from tiffin.rpc.server import RpcServer

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
Do = Callable[[c.CallContext, Any], Awaitable[Any]]


class Obliging:
    """Answers every method of a service with an example, or does what a test says about a request id."""

    def __init__(self, service: str) -> None:
        self.asked: dict[str, tuple[c.CallContext, Any]] = {}
        self.doing: dict[str, Do] = {}
        for method in c.services[service].values():
            setattr(self, method.name, self._method(example(method.result)))

    def _method(self, answer: Any) -> Do:
        async def answered(context: c.CallContext, request: Any) -> Any:
            self.asked[context.request_id] = (context, request)
            if do := self.doing.get(context.request_id):
                return await do(context, request)
            return answer

        return answered


class RawClient:
    """One connection. Answers are (sequence id, what came of it), in the order they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = Frames(ANSWER_BYTES_MAX)
        self._payloads: list[bytes] = []
        self._sent: dict[int, wire.MethodWire] = {}

    @classmethod
    async def connect(cls, host: str, port: int) -> Self:
        return cls(*await asyncio.open_connection(host, port))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def call(self, sequence_id: int, name: str, request: Any, context: c.CallContext) -> None:
        """Send `Orders.get` or the like."""
        service, _, method = name.partition(".")
        self._sent[sequence_id] = wire.services[service][method]
        self.send(self._sent[sequence_id].encode_call(sequence_id, context, request))

    async def payload(self) -> bytes | None:
        """The next answer as it came; None when the connection is closed."""
        while not self._payloads:
            try:
                data = await self._reader.read(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._payloads += self._frames.feed(data)
        return self._payloads.pop(0)

    async def answer(self) -> tuple[int, Any]:
        """The next answer: the result, or the exception that says why there is none."""
        payload = await self.payload()
        assert payload is not None, "closed"
        message = wire.read_message(payload)
        method = self._sent.get(message.sequence_id, wire.services["Orders"]["get"])
        try:
            return message.sequence_id, method.decode_reply(payload, message)
        except Exception as error:
            return message.sequence_id, error

    async def answers(self, count: int) -> dict[int, Any]:
        return dict([await self.answer() for _ in range(count)])

    def end(self) -> None:
        """Send nothing more."""
        self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()
        await asyncio.wait([asyncio.ensure_future(self._writer.wait_closed())])


@dataclass
class Peers:
    """A server that listens, its services, its clock, its metrics, and clients that end with the test."""

    server: RpcServer
    services: Mapping[str, Obliging]
    clock: ManualClock
    registry: CollectorRegistry
    clients: list[RawClient] = field(default_factory=list)

    @property
    def orders(self) -> Obliging:
        return self.services["Orders"]

    async def client(self) -> RawClient:
        self.clients.append(await RawClient.connect(*self.server.address))
        return self.clients[-1]

    def context(
        self, request_id: str = "request-1", role: str = "customer", timeout_ms: int = 1000, **more: Any
    ) -> c.CallContext:
        deadline_ms = int(self.clock().timestamp() * 1000) + timeout_ms
        caller = c.Caller(role=role, id=f"{role}-1")  # type: ignore
        return c.CallContext(request_id=request_id, caller=caller, deadline_ms=deadline_ms, **more)

    def measured(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@asynccontextmanager
async def serving(*names: str, limits: Limits | None = None) -> AsyncIterator[Peers]:
    """A server of these services (`Orders` unless told)."""
    services = {name: Obliging(name) for name in names or ("Orders",)}
    clock, registry = ManualClock(NOW), CollectorRegistry()
    async with RpcServer(services, clock, limits, registry) as server:
        await server.listen("127.0.0.1", 0)
        peers = Peers(server, services, clock, registry)
        try:
            yield peers
        finally:
            for client in peers.clients:
                await client.close()


class Held:
    """A service's work that a test lets go: `begun` tells that it is under way."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self._gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, context: c.CallContext, request: Any) -> Any:
        self.begun.set()
        await self._gate.wait()
        self.ended.set()
        return self._result

    def let_go(self) -> None:
        self._gate.set()


async def _serve(names: list[str]) -> None:
    """Run by itself: serves these by the real clock until it is ended, and says where."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    async with RpcServer({name: Obliging(name) for name in names}, lambda: datetime.now(UTC)) as server:
        await server.listen("127.0.0.1", 0)
        print(server.address[1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1:]))
