"""AMQP 0-9-1 as it goes over the wire, for the frames there are many of; `pamqp` knows the others.

Packed by hand a message costs a few microseconds, by way of objects some hundred.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
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
_EXPECTED = _CONTENT_TYPE | 1 << 14 | _HEADERS | 1
"""What stands before the headers, and that more flags follow."""
_PERSISTENT = b"\x02"
_TEXT = ord("S")

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
    fields: list[bytes] = []
    for name, value in message.headers:
        text = value.encode()
        fields += (_field(name), _long.pack(len(text)), text)
    table = b"".join(fields)
    flags = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _MESSAGE_ID
    body, room = message.body, frame_bytes_max - 8
    header = b"".join((
        _header.pack(60, 0, len(body), flags), _short(message.content_type), _long.pack(len(table)), table,
        _PERSISTENT, _short(message.id),
    ))  # fmt: skip
    method = _publishing(message.exchange, message.routing_key, message.mandatory)
    bodies = [frame(BODY, CHANNEL, body[start : start + room]) for start in range(0, len(body), room)]
    return b"".join((method, frame(HEADER, CHANNEL, header), *bodies))


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


def text_headers(payload: bytes) -> tuple[str, dict[str, str]] | None:
    """Of a content header: the content type, and the headers if all are text, as ours are, and no content
    encoding is given. None: the library may read it. `IndexError` or `ValueError` if it is cut short.

    A quarter of what that takes, and it is most of what it takes to receive a message.
    """
    flags = int.from_bytes(payload[12:14], "big")
    if flags & _EXPECTED != _CONTENT_TYPE | _HEADERS:
        return None
    start = 15 + payload[14]
    content_type = payload[15:start].decode()
    place = start + 4
    end = place + int.from_bytes(payload[start:place], "big")
    headers: dict[str, str] = {}
    while place < end:
        start = place + 1
        place = start + payload[place]
        name = payload[start:place].decode()
        if payload[place] != _TEXT:
            return None
        start = place + 5
        place = start + int.from_bytes(payload[place + 1 : start], "big")
        headers[name] = payload[start:place].decode()
    if place != end or end > len(payload):
        raise ValueError("the headers do not end where they should")
    return content_type, headers


def body_size(payload: bytes) -> int:
    """Of a content header: how many bytes follow."""
    return int.from_bytes(payload[4:12], "big")


@lru_cache(maxsize=1024)
def _publishing(exchange: str, routing_key: str, mandatory: bool) -> bytes:
    bits = b"\x01" if mandatory else b"\x00"
    names = _short(exchange) + _short(routing_key)
    return frame(METHOD, CHANNEL, _method.pack(PUBLISH) + b"\x00\x00" + names + bits)


@lru_cache(maxsize=256)
def _field(name: str) -> bytes:
    """Of a table: a name, and that text follows."""
    return _short(name) + bytes((_TEXT,))


def _short(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data
