"""AMQP 0-9-1 as it goes over the wire, for the frames there are many of; `pamqp` knows the others.

Packed by hand a message costs a few microseconds, by way of objects some hundred.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = b"\xce"
HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"
CHANNEL = 1
"""A connection has one channel, beside channel 0 that speaks of the connection itself."""

PUBLISH, RETURN, DELIVER, ACK, REJECT, NACK = (60 << 16 | method for method in (40, 50, 60, 80, 90, 120))
"""Methods of the class `basic`, as they begin a frame's payload."""

_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _MESSAGE_ID = 1 << 15, 1 << 13, 1 << 12, 1 << 7
_PERSISTENT = b"\x02"

_frame = Struct(">BHI")
_method = Struct(">I")
_header = Struct(">HHQH")
_long = Struct(">I")
_tag = Struct(">IQB")


class Frame(NamedTuple):
    """One frame that came."""

    kind: int
    channel: int
    payload: bytes


def frames(received: bytearray) -> Iterator[Frame]:
    """Take every complete frame out of what was received. `ValueError` if that is not AMQP."""
    start, there = 0, len(received)
    try:
        while there - start >= 8:
            kind, channel, size = _frame.unpack_from(received, start)
            end = start + 7 + size
            if there <= end:
                return
            if received[end] != 0xCE:
                raise ValueError(f"a frame of {size} bytes does not end where it should")
            yield Frame(kind, channel, bytes(received[start + 7 : end]))
            start = end + 1
    finally:
        del received[:start]


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """A whole frame."""
    return _frame.pack(kind, channel, len(payload)) + payload + END


class Message(NamedTuple):
    """A message to publish. It is kept through a restart of the broker."""

    exchange: str
    routing_key: str
    id: str
    """What tells it from others under way: returns name it."""
    content_type: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    mandatory: bool = True
    """Given back if no queue takes it."""


def publish(message: Message, frame_bytes_max: int) -> bytes:
    """The frames that publish a message on the channel."""
    table = b"".join([part for name, value in message.headers for part in _entry(name, value)])
    method = b"".join((
        _method.pack(PUBLISH), b"\x00\x00", _short(message.exchange), _short(message.routing_key),
        b"\x01" if message.mandatory else b"\x00",
    ))  # fmt: skip
    flags = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _MESSAGE_ID
    header = b"".join((
        _header.pack(60, 0, len(message.body), flags), _short(message.content_type),
        _long.pack(len(table)), table, _PERSISTENT, _short(message.id),
    ))  # fmt: skip
    body, room = message.body, frame_bytes_max - 8
    parts = [frame(METHOD, CHANNEL, method), frame(HEADER, CHANNEL, header)]
    parts += [frame(BODY, CHANNEL, body[start : start + room]) for start in range(0, len(body), room)]
    return b"".join(parts)


def acknowledge(tags: Sequence[int]) -> bytes:
    """The frames that say of deliveries that they are done with."""
    return b"".join([frame(METHOD, CHANNEL, _tag.pack(ACK, tag, 0)) for tag in tags])


def reject(tag: int) -> bytes:
    """The frame that sends a delivery to the dead letters."""
    return frame(METHOD, CHANNEL, _tag.pack(REJECT, tag, 0))


def method_of(payload: bytes) -> int:
    """Which method a frame's payload is."""
    return int.from_bytes(payload[:4], "big")


def confirmed(payload: bytes) -> tuple[int, bool]:
    """Of an ack or nack that came: the message's number, and whether all before it are meant too."""
    _, tag, bits = _tag.unpack_from(payload)
    return tag, bool(bits & 1)


def delivery_tag(payload: bytes) -> int:
    """Of a delivery's method: its number."""
    start = 5 + payload[4]
    return int.from_bytes(payload[start : start + 8], "big")


def body_size(payload: bytes) -> int:
    """Of a content header: how many bytes follow."""
    return int.from_bytes(payload[4:12], "big")


def _entry(name: str, value: str) -> tuple[bytes, bytes, bytes, bytes]:
    text = value.encode()
    return _short(name), b"S", _long.pack(len(text)), text


def _short(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data
