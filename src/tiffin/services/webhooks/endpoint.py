"""An endpoint as it is kept, and as the contract shows it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.webhooks.sealing import SealedSecret, signing

Kind = Literal["restaurant", "partner"]
EndedBy = Literal["by_owner", "failing", "gone"]

EVERY = ".*"
"""Ends a wish for all events of a kind: `order.*`."""


class EndpointRow(NamedTuple):
    """An endpoint, in the order of the table's columns."""

    shard: int
    id: str
    kind: Kind
    owner: str
    url: str
    types: str
    """Separated by blanks."""
    secrets: str
    """JSON array of `SealedSecret`, the newest first."""
    enabled: bool
    reason: EndedBy | None
    created_at: datetime


def owner_of(endpoint_id: str) -> str:
    """Whose an endpoint of this id is, if there is one."""
    return endpoint_id.rpartition(".")[0]


def wanted_types(wishes: Sequence[str], offered: Collection[str]) -> str:
    """The wishes as they are kept. `Refusal` for one that no event answers."""
    kinds = {type_.partition(".")[0] + EVERY for type_ in offered}
    if unknown := [wish for wish in wishes if wish not in offered and wish not in kinds]:
        raise Refusal(
            "unknown_event",
            f"nobody is told of {', '.join(unknown)[:200]}",
            {"types": sorted({*offered, *kinds})},
        )
    return " ".join(dict.fromkeys(wishes))


def types_of(types: str, offered: Collection[str]) -> frozenset[str]:
    """The events that an endpoint is told of."""
    wishes = types.split()
    kinds = {wish.removesuffix(EVERY) for wish in wishes if wish.endswith(EVERY)}
    return frozenset(type_ for type_ in offered if type_ in wishes or type_.partition(".")[0] in kinds)


def secrets_of(row: EndpointRow) -> list[SealedSecret]:
    """Its secrets, sealed."""
    return _decode(row.secrets)


def kept_secrets(secrets: Sequence[SealedSecret]) -> str:
    """As the table has them."""
    return msgspec.json.encode(secrets).decode()


def to_contract(row: EndpointRow, failing_since: datetime | None, now: datetime) -> c.WebhookEndpoint:
    """The endpoint for whose it is."""
    return c.WebhookEndpoint(
        endpoint_id=row.id,
        restaurant_id=row.owner if row.kind == "restaurant" else None,
        partner_id=row.owner if row.kind == "partner" else None,
        url=row.url,
        types=row.types.split(),
        state="enabled" if row.enabled else "disabled",
        reason=row.reason,
        created_at=to_text(row.created_at),
        failing_since=to_text(failing_since) if failing_since else None,
        secrets=len(signing(secrets_of(row), now)),
    )


_decode = msgspec.json.Decoder(list[SealedSecret]).decode
