"""From a payload to its answer: read, checked, admitted, carried out.

A call begins in the turn of the loop in which it was read, if there is room for it (`eager.py`). One that has
begun is carried to its end, also when its caller's time is up or its connection is gone:
what it waits for has limits of its own, and a commit is never torn. Only a drain that runs out of time gives
it up, which is no worse than the end of the process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.calls import CallMetrics, MethodCalls, Outcome
from tiffin.rpc.codec import Unreadable
from tiffin.rpc.context import remaining_s
from tiffin.rpc.eager import EagerTasks
from tiffin.rpc.frames import ANSWER_BYTES_MAX
from tiffin.rpc.limits import CallerClass, Gate, Limits, class_of
from tiffin.rpc.traces import Span, continued
from tiffin.rpc.wire import MethodWire

Reply = Callable[[bytes], None]
"""Takes a whole frame."""

HEALTH = "health"
DRAINING_RETRY_MS = 100

_log = structlog.get_logger()


class _Endpoint:
    """One method of one service object."""

    __slots__ = ("call", "codec", "numbers")

    def __init__(self, service: object, method: MethodWire, numbers: MethodCalls) -> None:
        self.codec = method
        self.numbers = numbers
        self.call: Callable[[c.CallContext, Any], Awaitable[Any]] = getattr(service, method.name)


@dataclass(slots=True, eq=False)
class _Call:
    """A call that was read and may begin. `began_s` is the loop's time."""

    endpoint: _Endpoint
    sequence_id: int
    context: c.CallContext
    request: Any
    reply: Reply
    began_s: float
    caller_class: CallerClass
    waited: bool = False

    def answer(self, outcome: Outcome, frame: bytes) -> None:
        self.endpoint.numbers.counted[outcome] += 1
        self.reply(frame)


class Dispatcher:
    """Answers the calls of all connections of one server."""

    def __init__(
        self, services: Mapping[str, object], clock: Clock, limits: Limits, registry: CollectorRegistry
    ) -> None:
        self.draining = False
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._gates: dict[CallerClass, Gate[_Call]] = {
            "customer": Gate(limits.customer),
            "restaurant": Gate(limits.restaurant),
            "background": Gate(limits.background),
            "health": Gate(limits.health),
        }
        self.metrics = CallMetrics(registry, self._gates)
        self._endpoints = self._table(services)
        self._tasks = EagerTasks()
        self._giving_up = False

    def _table(self, services: Mapping[str, object]) -> dict[bytes, _Endpoint]:
        """Endpoints by their names on the wire. Plain names are for clients of a server of one service."""
        table: dict[bytes, _Endpoint] = {}
        for name, service in services.items():
            for method in wire.services[name].values():
                asked = self if method.name == HEALTH else service
                numbers = self.metrics.of(name, method.name)
                endpoint = table[method.wire_name] = _Endpoint(asked, method, numbers)
                if len(services) == 1:
                    table[method.name.encode()] = endpoint
        return table

    @property
    def in_flight(self) -> int:
        """Calls being carried out or waiting for their turn."""
        return sum(gate.running + gate.waiting for name, gate in self._gates.items() if name != "health")

    async def health(self, context: c.CallContext, request: c.HealthQuery) -> c.HealthReport:
        """What every service also answers."""
        return c.HealthReport(state="draining" if self.draining else "serving", in_flight=self.in_flight)

    def take(self, payload: bytes, reply: Reply) -> None:
        """Answer a payload, now or later. `Unreadable` if it cannot even be said which call it is."""
        message = wire.read_message(payload)
        endpoint = self._endpoints.get(message.name)
        if message.kind != wire.CALL:
            kind, text = wire.INVALID_MESSAGE_TYPE, "only calls are answered here"
        elif endpoint is None:
            kind, text = wire.UNKNOWN_METHOD, f"no such method: {message.name.decode(errors='replace')}"
        else:
            self._take_call(endpoint, payload, message, reply)
            return
        reply(wire.encode_application_error(message.name, message.sequence_id, kind, text))

    def _take_call(self, endpoint: _Endpoint, payload: bytes, message: wire.Message, reply: Reply) -> None:
        method, sequence_id = endpoint.codec, message.sequence_id
        try:
            context, request = method.decode_call(payload, message.body_at)
        except Refusal as refusal:
            endpoint.numbers.counted["refused"] += 1
            reply(method.encode_refusal(sequence_id, refusal))
        except Unreadable as error:
            endpoint.numbers.counted["unreadable"] += 1
            text = f"the call cannot be read: {error}"
            reply(wire.encode_application_error(message.name, sequence_id, wire.PROTOCOL_ERROR, text))
        else:
            caller_class = "health" if method.name == HEALTH else class_of(context.caller.role)
            self._admit(
                _Call(endpoint, sequence_id, context, request, reply, self._loop.time(), caller_class)
            )

    def _admit(self, call: _Call) -> None:
        try:
            if self.draining and call.caller_class != "health":
                raise _draining()
            remaining_s(call.context, self._clock)
            if self._gates[call.caller_class].enter(call):
                self._begin(call)
            else:
                call.waited = True
        except Unavailable as error:
            self._turn_away(call, error)

    def _turn_away(self, call: _Call, error: Unavailable) -> None:
        self.metrics.turned_away[call.caller_class, error.code] += 1
        call.answer("unavailable", call.endpoint.codec.encode_unavailable(call.sequence_id, error))

    def _begin(self, call: _Call) -> None:
        self._tasks.start(self._carry_out(call))

    async def _carry_out(self, call: _Call) -> None:
        numbers, gate = call.endpoint.numbers, self._gates[call.caller_class]
        numbers.running += 1
        try:
            if call.waited:
                remaining_s(call.context, self._clock)
            span = continued(call.context.trace_parent)
            if span is not None:
                call.context.trace_parent = span.trace_parent
            outcome, frame = await self._answer(call)
            call.answer(outcome, frame)
            took_s = self._loop.time() - call.began_s
            numbers.took(took_s)
            if span is not None and span.sampled:
                _log_call(call, span, outcome, took_s)
        except Unavailable as error:
            self._turn_away(call, error)
        finally:
            numbers.running -= 1
            if (successor := gate.leave()) is not None:
                self._begin(successor)

    async def _answer(self, call: _Call) -> tuple[Outcome, bytes]:
        """Carry the call out. Whatever comes of it is an answer."""
        method, sequence_id = call.endpoint.codec, call.sequence_id
        try:
            try:
                result = await call.endpoint.call(call.context, call.request)
                frame = method.encode_result(sequence_id, result)
                if len(frame) > ANSWER_BYTES_MAX:
                    raise ValueError(f"an answer of {len(frame)} bytes")
            except Refusal as refusal:
                return "refused", method.encode_refusal(sequence_id, refusal)
            except Unavailable as error:
                return "unavailable", method.encode_unavailable(sequence_id, error)
        except asyncio.CancelledError:
            if self._giving_up:
                raise
            return "bug", self._bug(call)
        except Exception:
            return "bug", self._bug(call)
        return "ok", frame

    def _bug(self, call: _Call) -> bytes:
        """Ours: the log has it whole, the caller learns only under which request to look for it."""
        method, request_id = call.endpoint.codec, call.context.request_id
        _log.exception("rpc_bug", service=method.service, method=method.name, request_id=request_id)
        text = f"internal error in request {request_id}"
        name = method.name.encode()
        return wire.encode_application_error(name, call.sequence_id, wire.INTERNAL_ERROR, text)

    def drain(self) -> None:
        """Begin nothing any more. What waits for its turn is told to go elsewhere."""
        self.draining = True
        for gate in self._gates.values():
            for call in gate.send_away():
                self._turn_away(call, _draining())

    async def idle(self) -> None:
        """Until no call is under way; after `drain`, none begins any more."""
        await self._tasks.idle()

    async def give_up(self) -> int:
        """End what is still under way as the end of the process would. Returns how many calls that were."""
        self._giving_up = True
        return await self._tasks.cancel()


def _draining() -> Unavailable:
    return Unavailable("draining", "this process is stopping; nothing was begun", DRAINING_RETRY_MS)


def _log_call(call: _Call, span: Span, outcome: Outcome, took_s: float) -> None:
    _log.info(
        "rpc_call", service=call.endpoint.codec.service, method=call.endpoint.codec.name, outcome=outcome,
        took_ms=round(took_s * 1000, 3), request_id=call.context.request_id, caller=call.context.caller.role,
        trace_id=span.trace_id, span_id=span.span_id, parent_id=span.parent_id,
    )  # fmt: skip
