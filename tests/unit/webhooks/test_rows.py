"""Endpoints and deliveries: what of them is decided without anybody else."""

import json
from datetime import UTC, datetime
from secrets import token_bytes

import pytest
from cryptography.fernet import InvalidToken

from tiffin.events.event import Event
from tiffin.gateway.asyncapi import DEFINITIONS, RESTAURANTS_HEAR
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.orders.states import LEGACY_EVENTS
from tiffin.services.webhooks.delivery import ATTEMPTS_KEPT, delivery_id, restaurant_of, with_attempt
from tiffin.services.webhooks.endpoint import owner_of, types_of, wanted_types
from tiffin.services.webhooks.sealing import OVERLAP, Secrets, followed_by, signing

OF_ANOTHER_SYSTEM = {f"order.{event}" for event in LEGACY_EVENTS}
"""Who sells by it has heard of its orders from it."""
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def event(stream: str, **data: object) -> Event:
    return Event(1, 1, 1, "customer", 0, stream, "7", 3, "order.placed", json.dumps(data), NOW, "t")


def test_whose_an_event_is() -> None:
    assert restaurant_of(event("order", order_id="7", restaurant_id="al-dente")) == "al-dente"
    assert restaurant_of(event("case", case_id="7", restaurant_id="al-dente")) == "al-dente"
    assert restaurant_of(event("ledger", party="restaurant:al:dente")) == "al:dente"
    assert restaurant_of(event("ledger", party="courier:al-dente")) is None
    assert restaurant_of(event("payment", payment_id="7", customer_id="ana")) is None


def test_restaurants_hear_only_of_what_says_whose_it_is() -> None:
    for each in DEFINITIONS:
        fields = each.struct.__struct_fields__
        says_whose = "restaurant_id" in fields or "party" in fields
        assert (each.name in RESTAURANTS_HEAR) == (says_whose and each.name not in OF_ANOTHER_SYSTEM)


def test_a_deliverys_id_is_the_events_name_and_can_be_signed() -> None:
    assert delivery_id(event("order")) == "order:7:3"
    assert "." not in delivery_id(event("order")), "the signature puts a full stop behind it"


def test_wishes_for_events() -> None:
    offered = {"order.placed", "order.accepted", "case.opened"}
    assert types_of(wanted_types(["order.*"], offered), offered) == {"order.placed", "order.accepted"}
    assert types_of(wanted_types(["case.opened", "case.opened"], offered), offered) == {"case.opened"}
    assert types_of("order.gone case.opened", offered) == {"case.opened"}, (
        "what has been wanted and is no more"
    )
    for wrong in ("order", "*", "order.nonsense", "payment.*", "order.placed order.accepted", ""):
        with pytest.raises(Refusal, match="unknown_event"):
            wanted_types([wrong], offered)


def test_an_endpoints_id_says_whose_it_is() -> None:
    assert owner_of("al.dente.Zk3pXw0aQm1rT5vB") == "al.dente"


def test_the_latest_attempts_are_kept() -> None:
    kept = "[]"
    for number in range(30):
        kept = with_attempt(kept, c.WebhookAttempt(at="x", latency_ms=number, status=500))
    assert [each["latency_ms"] for each in json.loads(kept)] == list(range(30 - ATTEMPTS_KEPT, 30))


def test_a_secret_is_opened_by_the_platforms_key_alone() -> None:
    ours, others = Secrets(b"one", token_bytes), Secrets(b"two", token_bytes)
    secret, sealed = ours.new()
    assert secret.startswith("whsec_")
    assert secret not in sealed.sealed
    assert ours.open([sealed], NOW) == [secret]
    with pytest.raises(InvalidToken):
        others.open([sealed], NOW)


def test_the_secret_before_signs_for_a_day_and_the_one_before_that_no_more() -> None:
    secrets = Secrets(b"one", token_bytes)
    (first, kept), (second, newer), (third, newest) = (secrets.new() for _ in range(3))
    two = followed_by([kept], newer, NOW)
    assert secrets.open(two, NOW) == [second, first]
    assert secrets.open(two, NOW + OVERLAP) == [second]
    three = followed_by(two, newest, NOW)
    assert secrets.open(three, NOW) == [third, second]
    assert len(signing(three, NOW + OVERLAP)) == 1
