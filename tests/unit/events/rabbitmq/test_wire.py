"""AMQP frames, packed by hand, are what the library makes of them, however they are cut on their way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import body, commands, header
from pamqp.frame import marshal, unmarshal

from tiffin.events.rabbitmq import wire
from tiffin.events.rabbitmq.wire import Message

FRAME_BYTES_MAX = 4096
short = st.text(max_size=60)
shorter = st.text(max_size=30)


@given(
    st.builds(
        Message, short, short, short, short,
        st.lists(st.tuples(short, st.text()), unique_by=lambda pair: pair[0]),
        st.binary(max_size=10_000), st.booleans(),
    )
)  # fmt: skip
def test_a_message_is_what_the_library_reads(message: Message) -> None:
    data = wire.publish(message, FRAME_BYTES_MAX)
    read: list[object] = []
    while data:
        taken, channel, value = unmarshal(data)
        assert channel == wire.CHANNEL
        assert taken <= FRAME_BYTES_MAX
        read.append(value)
        data = data[taken:]
    method, content, *bodies = read
    assert isinstance(method, commands.Basic.Publish)
    assert isinstance(content, header.ContentHeader)
    assert (method.exchange, method.routing_key, method.mandatory) == (
        message.exchange, message.routing_key, message.mandatory,
    )  # fmt: skip
    assert content.body_size == len(message.body)
    properties = content.properties
    assert (properties.message_id, properties.content_type) == (message.id, message.content_type)
    assert properties.delivery_mode == 2
    assert properties.headers == dict(message.headers)
    parts = [part.value for part in bodies if isinstance(part, body.ContentBody)]
    assert b"".join(part for part in parts if part) == message.body


values = st.one_of(short, st.integers(-(2**31), 2**31 - 1), st.booleans())


maybe = st.none() | st.text(min_size=1, max_size=60)


@given(maybe, maybe, st.none() | st.dictionaries(shorter, values), maybe)
def test_headers_are_read_as_the_library_reads_them_or_left_to_it(
    kind: str | None, encoding: str | None, headers: dict[str, object] | None, id_: str | None
) -> None:
    properties = commands.Basic.Properties(
        content_type=kind, content_encoding=encoding, headers=headers, message_id=id_, delivery_mode=2
    )
    payload = marshal(header.ContentHeader(body_size=7, properties=properties), 1)[7:-1]
    read = wire.text_headers(payload)
    is_ours = kind is not None and encoding is None and headers is not None
    if is_ours and all(isinstance(value, str) for value in headers.values()):
        assert read == (kind, headers)
    else:
        assert read is None


def test_headers_that_are_cut_short_are_an_error() -> None:
    message = Message("", "", "1", "text/plain", [("one", "first"), ("two", "second")], b"")
    (_, content) = wire.frames(bytearray(wire.publish(message, FRAME_BYTES_MAX)))
    whole = wire.text_headers(content.payload)
    end = content.payload.index(b"second") + len(b"second")
    for length in range(14, end):
        with pytest.raises((ValueError, IndexError)):
            wire.text_headers(content.payload[:length])
    assert wire.text_headers(content.payload[:end]) == whole


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5), st.integers(1, 50))
def test_frames_come_whole_however_they_are_cut(payloads: list[bytes], cut: int) -> None:
    data = b"".join(wire.frame(wire.BODY, wire.CHANNEL, payload) for payload in payloads)
    received, came = bytearray(), list[bytes]()
    for start in range(0, len(data), cut):
        received += data[start : start + cut]
        came += [frame.payload for frame in wire.frames(received)]
    assert came == payloads
    assert not received


def test_what_is_not_amqp_is_said_to_be_so() -> None:
    broken = bytearray(wire.frame(wire.BODY, 1, b"fine") + wire.frame(wire.BODY, 1, b"bad")[:-1] + b"?")
    with pytest.raises(ValueError, match="does not end"):
        list(wire.frames(broken))


@pytest.mark.parametrize(
    ("packed", "meant"),
    [
        (wire.acknowledge([7]), commands.Basic.Ack(7, False)),
        (wire.reject(7), commands.Basic.Reject(7, False)),
    ],
)
def test_answers_to_deliveries_are_what_the_library_makes(packed: bytes, meant: commands.Basic.Ack) -> None:
    assert packed == marshal(meant, wire.CHANNEL)


def test_confirms_and_deliveries_are_read_as_the_library_writes_them() -> None:
    for multiple in (False, True):
        payload = marshal(commands.Basic.Ack(2**40, multiple), 1)[7:-1]
        assert wire.method_of(payload) == wire.ACK
        assert wire.confirmed(payload) == (2**40, multiple)
    delivery = marshal(commands.Basic.Deliver("a consumer", 2**33, False, "exchange", "key"), 1)[7:-1]
    assert wire.method_of(delivery) == wire.DELIVER
    assert wire.delivery_tag(delivery) == 2**33
