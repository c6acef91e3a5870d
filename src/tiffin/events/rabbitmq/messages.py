"""Events as messages, and back: CloudEvents 1.0, one to a message or several.

One to a message, the attributes are headers (`cloudEvents:type`) and the body is the contract's event, as
JSON. Several are a JSON array of whole CloudEvents. Either says where in its node's log it stands (`place`),
and behind which place there is nothing else that it would have brought (`previous`): who has not come so far
has missed something.
"""

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import msgspec

from tiffin.events.event import Event, Stream
from tiffin.events.rabbitmq import wire
from tiffin.events.rabbitmq.connection import Content
from tiffin.events.rabbitmq.wire import Message
from tiffin.events.reader import Cursor

EVENTS = "tiffin.events"
"""The topic exchange: every event a message, its type the routing key."""
BATCHES = "tiffin.batches"
"""The same events in their order, several a message, whatever their types."""
BATCH_EVENTS_MAX = 50
BATCH_BYTES_MAX = 256_000

_JSON = "application/json"
_BATCH_JSON = "application/cloudevents-batch+json"
_SOURCE = "/tiffin/"
_PREFIX = "cloudEvents:"
_NODE, _PREVIOUS = _PREFIX + "node", _PREFIX + "previous"


class CloudEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole event, as in a batch. CloudEvents numbers have 32 bits: a place is text."""

    specversion: str
    id: str
    source: str
    type: str
    time: datetime
    subject: str
    key: str
    version: int
    dimension: str
    shard: int
    trace: str
    place: str
    day: int
    data: msgspec.Raw
    datacontenttype: str = _JSON


class Place(NamedTuple):
    """Where something stands in a node's log."""

    xid: int
    position: int

    def __str__(self) -> str:
        return f"{self.xid}.{self.position}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """`ValueError` if it is none."""
        xid, _, position = text.partition(".")
        return cls(int(xid), int(position))


class Arrival(NamedTuple):
    """What a message has brought."""

    node: str
    events: Sequence[Event]
    """In order, at least one."""
    previous: Place
    chain: str
    """Of what `previous` speaks: a type, or everything (`""`)."""


_WRONG = (KeyError, TypeError, AttributeError, IndexError, ValueError, struct.error, msgspec.MsgspecError)
_batch_encoder = msgspec.json.Encoder()
_batch_decoder = msgspec.json.Decoder(list[CloudEvent])


def place_of(event: Event | Cursor) -> Place:
    """Where it stands."""
    return Place(event.xid, event.position)


def single(node: str, event: Event, previous: Place, mandatory: bool) -> Message:
    """The message with this event alone."""
    id_ = _id(event)
    headers = [
        ("cloudEvents:specversion", "1.0"), ("cloudEvents:id", id_),
        ("cloudEvents:source", _SOURCE + event.stream), ("cloudEvents:type", event.type),
        ("cloudEvents:time", event.at.isoformat()),
        ("cloudEvents:subject", event.key), ("cloudEvents:key", event.key),
        ("cloudEvents:version", str(event.version)), ("cloudEvents:dimension", event.dimension),
        ("cloudEvents:shard", str(event.shard)), ("cloudEvents:trace", event.trace), (_NODE, node),
        ("cloudEvents:place", f"{event.xid}.{event.position}"), ("cloudEvents:day", str(event.day)),
        (_PREVIOUS, str(previous)),
    ]  # fmt: skip
    return Message(EVENTS, event.type, id_, _JSON, headers, event.data.encode(), mandatory)


def batch(node: str, events: Sequence[Event], previous: Place) -> Message:
    """One message with all these events."""
    body = _batch_encoder.encode([
        CloudEvent(
            "1.0", _id(event), _SOURCE + event.stream, event.type, event.at, event.key, event.key,
            event.version, event.dimension, event.shard, event.trace, f"{event.xid}.{event.position}",
            event.day, msgspec.Raw(event.data.encode()),
        )
        for event in events
    ])  # fmt: skip
    headers = [(_NODE, node), (_PREVIOUS, str(previous))]
    return Message(BATCHES, "", f"batch/{node}/{place_of(events[0])}", _BATCH_JSON, headers, body)


def arrival(content: Content) -> Arrival:
    """What a delivered message has brought. Whatever is wrong with it is a `ValueError`."""
    try:
        content_type, headers = _read(content)
        previous = Place.parse(headers[_PREVIOUS])
        if content_type == _BATCH_JSON:
            events = [_of_batch(event) for event in _batch_decoder.decode(content.body)]
            if not events:
                raise ValueError("an empty batch")
            return Arrival(headers[_NODE], events, previous, "")
        event = _of_headers(headers, content.body)
        return Arrival(headers[_NODE], (event,), previous, event.type)
    except _WRONG as error:
        raise ValueError(f"no message of the relay: {error!r}") from error


def _id(event: Event) -> str:
    return f"{event.stream}/{event.key}/{event.version}"


def _read(content: Content) -> tuple[str | None, Mapping[str, Any]]:
    """Content type and headers."""
    properties = wire.text_headers(content.header)
    if properties is not None:
        return properties
    others = content.properties  # redelivered: the broker has put a number to the headers
    return others.content_type, cast("dict[str, Any]", others.headers)


def _of_headers(headers: Mapping[str, Any], body: bytes) -> Event:
    xid, position = Place.parse(headers["cloudEvents:place"])
    return Event(
        xid, position, int(headers["cloudEvents:day"]), headers["cloudEvents:dimension"],
        int(headers["cloudEvents:shard"]), _stream(headers["cloudEvents:source"]), headers["cloudEvents:key"],
        int(headers["cloudEvents:version"]), headers["cloudEvents:type"], body.decode(),
        datetime.fromisoformat(headers["cloudEvents:time"]), headers["cloudEvents:trace"],
    )  # fmt: skip


def _of_batch(event: CloudEvent) -> Event:
    xid, position = Place.parse(event.place)
    return Event(
        xid, position, event.day, event.dimension, event.shard, _stream(event.source), event.key,
        event.version, event.type, bytes(event.data).decode(), event.time, event.trace,
    )  # fmt: skip


def _stream(source: str) -> Stream:
    return cast("Stream", source.removeprefix(_SOURCE))
