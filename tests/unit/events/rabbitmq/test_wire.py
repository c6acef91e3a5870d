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
