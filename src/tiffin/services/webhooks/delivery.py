"""A delivery as it is kept, and as the contract shows it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from tiffin.events.event import Event
from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c

State = Literal["waiting", "delivered", "failed"]
Reason = Literal["gave_up", "endpoint_disabled", "endpoint_gone", "not_let"]

PING = "webhook.ping"
"""The type of a test delivery."""
ATTEMPTS_KEPT = 20
ANSWER_MAX = 1024
"""Of an answer so many bytes are read, and kept."""


class DeliveryRow(NamedTuple):
    """A delivery, in the order of the table's columns."""

    shard: int
    endpoint_id: str
    id: str
    restaurant_id: str
    key: str
    version: int
    type: str
    body: str
    at: datetime
    state: State
    reason: Reason | None = None
    attempts: str = "[]"
    """JSON array of `c.WebhookAttempt`, oldest first."""
    done_at: datetime | None = None


class _OfRestaurant(msgspec.Struct):
    """What of an event says whose it is."""

    restaurant_id: str | None = None
    party: str | None = None


def restaurant_of(event: Event) -> str | None:
    """Whose event it is: an order's or case's restaurant, or the restaurant that is settled with."""
    told = _of_restaurant(event.data)
    if told.party is not None:
        kind, _, holder = told.party.partition(":")
        return holder if kind == "restaurant" else None
    return told.restaurant_id


def delivery_id(event: Event) -> str:
    """The event's name: the same for every attempt, every replay and every endpoint."""
    return f"{event.stream}:{event.key}:{event.version}"


def with_attempt(attempts: str, attempt: c.WebhookAttempt) -> str:
    """The log with one more; the oldest go."""
    return msgspec.json.encode([*_attempts(attempts), attempt][-ATTEMPTS_KEPT:]).decode()


def to_contract(row: DeliveryRow) -> c.WebhookDelivery:
    """The delivery for whose endpoint it is."""
    return c.WebhookDelivery(
        delivery_id=row.id,
        endpoint_id=row.endpoint_id,
        type=row.type,
        state=row.state,
        reason=row.reason,
        at=to_text(row.at),
        done_at=to_text(row.done_at) if row.done_at else None,
        attempts=list(_attempts(row.attempts)),
        body=row.body,
    )


def _attempts(text: str) -> Sequence[c.WebhookAttempt]:
    return _decode(text)


_decode = msgspec.json.Decoder(list[c.WebhookAttempt]).decode
_of_restaurant = msgspec.json.Decoder(_OfRestaurant).decode
