"""Calls and answers as bytes: framed binary Thrift (TFramedTransport, TBinaryProtocol strict).

Any Apache Thrift client or server speaks this. `services` has every method of every contract; a `MethodWire`
writes and reads its calls and answers.

What a caller sends is checked as the gateway checks JSON: by a quick question (`bounds.py`) and, if that says
no, by msgspec, who knows what is wrong (`checks.py`).

Names on the wire are `Orders:get` (as TMultiplexedProtocol writes them, so that a call which reaches the
wrong service is an unknown method there) or plain `get`.
"""

import struct
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, cast

import msgspec

from tiffin.primitives.errors import CODES, Refusal, Unavailable
from tiffin.rpc import contracts
from tiffin.rpc.bounds import within_bounds
from tiffin.rpc.checks import checked
from tiffin.rpc.codec import Unreadable, encode, read
from tiffin.rpc.specs import StructSpec, spec_of, struct_spec, unchecked

CALL, REPLY, EXCEPTION = 1, 2, 3

UNKNOWN_METHOD = 1
INVALID_MESSAGE_TYPE = 2
MISSING_RESULT = 5
INTERNAL_ERROR = 6
PROTOCOL_ERROR = 7

NAME_BYTES_MAX = 128
_STRICT_VERSION = 0x8001
_STRUCT = 12

_json_encode = msgspec.json.Encoder(enc_hook=repr).encode
_details = msgspec.json.Decoder(dict[str, object]).decode
_head = struct.Struct(">HBBI")
_length = struct.Struct(">I")
_field = struct.Struct(">BH")


class RpcBug(Exception):
    """The other side says, or its answer shows, that it is at fault. `kind` is Thrift's number for it."""

    def __init__(self, kind: int, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Message(NamedTuple):
    """A message's header. `body_at` is where its struct begins in the payload."""

    kind: int
    name: bytes
    sequence_id: int
    body_at: int


class _ApplicationError(msgspec.Struct, kw_only=True):
    """Thrift's TApplicationException."""

    message: str | None = None
    type: int = 0


_APPLICATION_ERROR = struct_spec(_ApplicationError, {1: (11, "message", False), 2: (8, "type", False)})
_REFUSAL = spec_of(contracts.exceptions["Refusal"])
_UNAVAILABLE = spec_of(contracts.exceptions["Unavailable"])


def read_message(payload: bytes) -> Message:
    """The header of a payload (a frame without its length). `Unreadable` if it has none."""
    try:
        version, _, kind, name_length = _head.unpack_from(payload)
        if version != _STRICT_VERSION or name_length > NAME_BYTES_MAX:
            raise Unreadable("no strict binary header")
        body_at = 12 + name_length
        (sequence_id,) = _length.unpack_from(payload, body_at - 4)
    except struct.error:
        raise Unreadable("the header is cut off") from None
    return Message(kind, payload[8 : body_at - 4], sequence_id, body_at)


def encode_application_error(name: bytes, sequence_id: int, kind: int, message: str) -> bytes:
    """A framed TApplicationException: the call was not, or could not be, carried out as the contract says."""
    body = encode(_ApplicationError(message=message, type=kind), _APPLICATION_ERROR)
    return _framed(_header(EXCEPTION, name), sequence_id, body)


class MethodWire:
    """One method's calls and answers as bytes. Everything encoded is a whole frame, its length included."""

    def __init__(self, service: str, method: contracts.Method) -> None:
        self.service = service
        self.name = method.name
        self.method = method
        self.wire_name = f"{service}:{method.name}".encode()
        self._call_head = _header(CALL, self.wire_name)
        self._reply_head = _header(REPLY, method.name.encode())
        arguments: Any = msgspec.defstruct(
            f"{service}_{method.name}_arguments",
            [("context", contracts.CallContext), ("request", method.request)],
            kw_only=True,
            gc=False,
        )
        self._arguments = arguments
        self._call_spec = _spec(
            arguments, {1: ("context", contracts.CallContext), 2: ("request", method.request)}
        )
        self._result = spec_of(method.result)
        parts = {
            0: ("success", method.result),
            1: ("refusal", contracts.exceptions["Refusal"]),
            2: ("unavailable", contracts.exceptions["Unavailable"]),
        }
        self._reply_spec = _spec(_Reply, parts)

    def encode_call(self, sequence_id: int, context: contracts.CallContext, request: msgspec.Struct) -> bytes:
        """A framed call. `sequence_id` is an unsigned 32-bit number."""
        arguments = self._arguments(context=context, request=request)
        return _framed(self._call_head, sequence_id, encode(arguments, self._call_spec))

    def decode_call(self, payload: bytes, body_at: int) -> tuple[contracts.CallContext, Any]:
        """Context and request of a call. `Unreadable`; `Refusal` ("invalid_request") if past a limit."""
        try:
            arguments: Any = read(payload, body_at, self._call_spec)
        except Unreadable:  # for want of a field that must be there, it may be
            arguments = None
        if arguments is None or not self._within_bounds(arguments):
            fields = read(payload, body_at, self._call_fields)
            arguments = checked(fields, self._arguments, payload)
        return arguments.context, arguments.request

    @cached_property
    def _within_bounds(self) -> Callable[[Any], bool]:
        return within_bounds(self._arguments)

    @cached_property
    def _call_fields(self) -> StructSpec:
        return unchecked(self._call_spec)

    def encode_result(self, sequence_id: int, result: msgspec.Struct) -> bytes:
        """A framed answer."""
        return self._reply(sequence_id, 0, encode(result, self._result))

    def encode_refusal(self, sequence_id: int, refusal: Refusal) -> bytes:
        """A framed `Refusal`."""
        details = _json_encode(refusal.details).decode() if refusal.details else None
        told = contracts.exceptions["Refusal"](code=refusal.code, message=refusal.message, details=details)
        return self._reply(sequence_id, 1, encode(told, _REFUSAL))

    def encode_unavailable(self, sequence_id: int, unavailable: Unavailable) -> bytes:
        """A framed `Unavailable`."""
        told = contracts.exceptions["Unavailable"](
            code=unavailable.code, message=unavailable.message, retry_after_ms=unavailable.retry_after_ms
        )
        return self._reply(sequence_id, 2, encode(told, _UNAVAILABLE))

    def decode_reply(self, payload: bytes, message: Message) -> Any:
        """The result, or raises what the service raised: `Refusal`, `Unavailable`. `RpcBug`; `Unreadable`."""
        if message.kind == EXCEPTION:
            error = read(payload, message.body_at, _APPLICATION_ERROR)
            raise RpcBug(error.type, f"{self.service}.{self.name}: {error.message}")
        if message.kind != REPLY or message.name != self._reply_head[8:]:
            raise Unreadable(f"not an answer to {self.service}.{self.name}")
        reply = cast(_Reply, read(payload, message.body_at, self._reply_spec))
        if reply.success is not None:
            return reply.success
        if reply.refusal is not None:
            raise _refusal(reply.refusal)
        if reply.unavailable is not None:
            told = reply.unavailable
            raise Unavailable(told.code, told.message, told.retry_after_ms or 1000)
        raise RpcBug(MISSING_RESULT, f"{self.service}.{self.name}: an answer without a result")

    def _reply(self, sequence_id: int, field: int, value: bytes) -> bytes:
        body = _field.pack(_STRUCT, field) + value + b"\x00"
        return _framed(self._reply_head, sequence_id, body)


class _Reply(msgspec.Struct, kw_only=True):
    """What comes back: one of three."""

    success: Any = None
    refusal: Any = None
    unavailable: Any = None


def _header(kind: int, name: bytes) -> bytes:
    return _head.pack(_STRICT_VERSION, 0, kind, len(name)) + name


def _framed(head: bytes, sequence_id: int, body: bytes) -> bytes:
    return b"".join((_length.pack(len(head) + 4 + len(body)), head, _length.pack(sequence_id), body))


def _spec(made: type[msgspec.Struct], parts: Mapping[int, tuple[str, type[msgspec.Struct]]]) -> list[Any]:
    places = [(number, _STRUCT, name, spec_of(of), None) for number, (name, of) in parts.items()]
    return [made, (*[None] * min(parts), *places)]


def _refusal(told: Any) -> Refusal:
    if told.code not in CODES:
        raise RpcBug(INTERNAL_ERROR, f"refused with a code unknown here: {told.code}")
    try:
        details = _details(told.details) if told.details else None
    except msgspec.DecodeError:
        raise Unreadable("the details of a refusal are not a JSON object") from None
    return Refusal(told.code, told.message, details)


def _methods(service: str) -> dict[str, MethodWire]:
    own = {**contracts.services[service], **contracts.services["Health"]}
    return {name: MethodWire(service, method) for name, method in own.items()}


services: Mapping[str, Mapping[str, MethodWire]] = {name: _methods(name) for name in contracts.services}
"""Every service's methods by name, `health` included."""
