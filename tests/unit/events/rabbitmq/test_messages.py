"""Events as messages: what goes in comes out, and what is none of ours is refused."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.events.event import Event
from tiffin.events.rabbitmq import messages, wire
from tiffin.events.rabbitmq.connection import Content
from tiffin.events.rabbitmq.messages import Place
from tiffin.events.rabbitmq.wire import Message

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
places = st.builds(Place, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
events = st.builds(
    Event, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1), text,
    st.integers(0, 119), st.sampled_from(["order", "payment", "case"]), text, st.integers(1, 2**31 - 1), text,
    text.map(lambda value: msgspec.json.encode({"text": value}).decode()),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)), text,
)  # fmt: skip


def delivered(message: Message) -> Content:
    """As the broker hands it on."""
    frames = list(wire.frames(bytearray(wire.publish(message, 1 << 20))))
    return Content(frames[0].payload, frames[1].payload, frames[2].payload if len(frames) > 2 else b"")


@given(events, places)
def test_an_event_alone_arrives_as_it_was(event: Event, previous: Place) -> None:
    arrival = messages.arrival(delivered(messages.single("north", event, previous, True)))
    assert arrival == messages.Arrival("north", (event,), previous, event.type)


@given(st.lists(events, min_size=1, max_size=5), places)
def test_events_together_arrive_as_they_were_in_their_order(batch: list[Event], previous: Place) -> None:
    arrival = messages.arrival(delivered(messages.batch("north", batch, previous)))
    assert arrival == messages.Arrival("north", batch, previous, "")


def test_a_batch_is_what_cloudevents_says() -> None:
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    event = Event(7, 8, 20605, "customer", 3, "order", "1074694770", 2, "order.accepted", '{"a":1}', at, "t")
    message = messages.batch("north", [event], Place(5, 6))
    assert message.content_type == "application/cloudevents-batch+json"
    (whole,) = msgspec.json.decode(message.body)
    assert whole["data"] == {"a": 1}
    assert whole["id"] == "order/1074694770/2"
    assert whole["specversion"] == "1.0"
    assert whole["time"] == "2026-06-01T12:00:00Z"
    assert set(whole) == {name.lower() for name in whole}


@pytest.mark.parametrize(
    "change",
    [
        {"headers": []},
        {"headers": [("cloudEvents:node", "north"), ("cloudEvents:previous", "no place")]},
        {"headers": [("cloudEvents:node", "north"), ("cloudEvents:previous", "1.2")]},
        {"content_type": "application/cloudevents-batch+json", "body": b"[]"},
        {"content_type": "application/cloudevents-batch+json", "body": b"[{}]"},
        {"content_type": "application/cloudevents-batch+json", "body": b"\xff"},
        {"body": b"\xff\xfe"},
    ],
)
def test_what_is_no_message_of_the_relay_is_refused(change: dict[str, object]) -> None:
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    event = Event(7, 8, 20605, "customer", 3, "order", "1", 2, "order.accepted", "{}", at, "t")
    message = messages.single("north", event, Place(5, 6), True)._replace(**change)
    with pytest.raises(ValueError, match="no message of the relay"):
        messages.arrival(delivered(message))
