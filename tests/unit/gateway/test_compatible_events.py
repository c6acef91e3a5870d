"""What breaks those who listened to a release is told; what they can live with is not."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tiffin.gateway import compatible_events
from tiffin.gateway.asyncapi import asyncapi_document
from tiffin.gateway.compatible_events import breaks

Json = dict[str, Any]


@pytest.fixture(scope="module")
def released() -> Json:
    return json.loads(json.dumps(asyncapi_document()))


def schema(document: Json, name: str) -> Json:
    return document["components"]["schemas"][name]


def forget_message(document: Json, name: str) -> None:
    del document["components"]["messages"][name]
    for channel in document["channels"].values():
        channel["messages"].pop(name, None)


BREAKS: dict[str, tuple[Callable[[Json], Any], str]] = {
    "an event removed": (
        lambda new: forget_message(new, "order.accepted"), "order.accepted: nobody is told of it any more",
    ),
    "an event sent elsewhere": (
        lambda new: new["channels"]["order"]["messages"].pop("order.accepted"),
        "the channel order: order.accepted comes there no more",
    ),
    "a channel removed": (lambda new: new["channels"].pop("case"), "the channel case: removed"),
    "another address": (
        lambda new: new["channels"]["order"].update(address="orders.{event}"),
        "the channel order: its address was order.{event} and is orders.{event}",
    ),
    "another exchange": (
        lambda new: new["channels"]["order"]["bindings"]["amqp"]["exchange"].update(name="tiffin"),
        "the channel order: its bindings was",
    ),
    "a field removed": (
        lambda new: schema(new, "OrderEvent")["properties"].pop("courier_id"),
        "order.placed: payload.courier_id: removed",
    ),
    "a field that may be missing": (
        lambda new: schema(new, "OrderEvent")["required"].remove("restaurant_id"),
        "order.placed: payload.restaurant_id: was always there",
    ),
    "a field of another type": (
        lambda new: schema(new, "OrderEvent")["properties"]["version"].update(type="string"),
        "order.placed: payload.version: was integer and is string",
    ),
    "a field that may be null": (
        lambda new: schema(new, "OrderEvent")["properties"].update(
            to_state={"anyOf": [{"type": "string"}, {"type": "null"}]}
        ),
        "order.placed: payload.to_state: was string and is null or string",
    ),
    "within a field": (
        lambda new: schema(new, "Money")["properties"].pop("currency"),
        "payment.started: payload.amount.currency: removed",
    ),
    "within a list": (
        lambda new: schema(new, "Posting")["properties"].pop("account"),
        "entry.made: payload.postings[].account: removed",
    ),
    "a header removed": (
        lambda new: schema(new, "CloudEvent")["properties"].pop("cloudEvents:id"),
        "order.placed: headers.cloudEvents:id: removed",
    ),
    "a header of webhooks removed": (
        lambda new: schema(new, "WebhookHeaders")["properties"].pop("webhook-id"),
        "webhook: headers.webhook-id: removed",
    ),
    "another word for an event": (
        lambda new: schema(new, "order.placed")["allOf"][1]["properties"]["type"].update(const="order.made"),
        "order.placed: payload.type: was always 'order.placed'",
    ),
}  # fmt: skip

FINE: dict[str, Callable[[Json], Any]] = {
    "a new event": lambda new: new["components"]["messages"].update(
        {"order.new": new["components"]["messages"]["order.placed"]}
    ),
    "a new field": lambda new: schema(new, "OrderEvent")["properties"].update(more={"type": "string"}),
    "a field that is always there now": lambda new: schema(new, "OrderEvent")["required"].append("reason"),
    "a field that is never null now": lambda new: schema(new, "OrderEvent")["properties"].update(
        reason={"type": "string"}
    ),
    "other words": lambda new: schema(new, "OrderEvent")["properties"]["type"].update(description="Other."),
    "a new role": lambda new: schema(new, "Caller")["properties"]["role"]["enum"].append("partner"),
    "a new channel": lambda new: new["channels"].update(more=new["channels"]["order"]),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_breaks_listeners_is_told(released: Json, what: str) -> None:
    change, told = BREAKS[what]
    new = deepcopy(released)
    change(new)
    assert any(each.startswith(told) for each in breaks(released, new)), breaks(released, new)


@pytest.mark.parametrize("what", FINE)
def test_what_listeners_can_live_with_is_not(released: Json, what: str) -> None:
    new = deepcopy(released)
    FINE[what](new)
    assert breaks(released, new) == []


def test_who_listened_to_the_last_release_understands_what_is_told_now(released: Json) -> None:
    assert breaks(json.loads(compatible_events.RELEASED.read_text()), released) == []


def test_a_release_is_what_it_is_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, released: Json
) -> None:
    monkeypatch.setattr(compatible_events, "RELEASED", tmp_path / "asyncapi.json")
    monkeypatch.setattr("sys.argv", ["compatible_events"])
    assert compatible_events.main() == 0, "nothing has been released"
    monkeypatch.setattr("sys.argv", ["compatible_events", "--release"])
    assert compatible_events.main() == 0
    assert json.loads((tmp_path / "asyncapi.json").read_text()) == released
    monkeypatch.setattr("sys.argv", ["compatible_events"])
    assert compatible_events.main() == 0
    more = deepcopy(released)
    more["components"]["messages"]["order.gone"] = more["components"]["messages"]["order.placed"]
    (tmp_path / "asyncapi.json").write_text(json.dumps(more))
    assert compatible_events.main() == 1
