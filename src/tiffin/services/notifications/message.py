"""A message as it is kept, and as the contract shows it."""

from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.services.notifications.catalogue import Kind, Role

State = Literal["waiting", "sent", "suppressed", "failed", "expired"]

NOBODY = ""
"""The person of a message to somebody who has no id yet."""


class MessageRow(NamedTuple):
    """A message, in the order of the table's columns."""

    shard: int
    role: Role
    person_id: str
    key: str
    order_id: int | None
    template: str
    kind: Kind
    urgent: bool
    created_at: datetime
    expires_at: datetime
    variables: str
    """JSON object, without secrets."""
    secrets: str | None
    """JSON object; None once the message is over."""
    phone: str | None
    """Only one given with the message; None once it is over."""
    language: str | None
    """The one wanted, if any; the one it was sent in, once it has been."""
    state: State = "waiting"
    reason: str | None = None
    attempts: int = 0
    text: str | None = None
    """As sent, secrets masked."""
    readable: str | None = None
    """As sent, where the local outbox is the provider and there are secrets; None once it has expired."""
    done_at: datetime | None = None


class MessageKey(NamedTuple):
    """What names a message."""

    shard: int
    role: str
    person_id: str
    key: str


def key_of(row: MessageRow) -> MessageKey:
    """The row's name."""
    return MessageKey(row.shard, row.role, row.person_id, row.key)


def variables_of(row: MessageRow) -> tuple[dict[str, str], dict[str, str]]:
    """A message's open variables and its secrets."""
    return _decode(row.variables), _decode(row.secrets) if row.secrets else {}


def to_contract(row: MessageRow) -> c.Message:
    """The message for those who may read it; secrets stay away."""
    return c.Message(
        key=row.key,
        role=row.role,
        person_id=row.person_id or None,
        order_id=str(row.order_id) if row.order_id else None,
        template=row.template,
        kind=row.kind,
        state=row.state,
        reason=row.reason,
        language=row.language,
        text=row.text,
        attempts=row.attempts,
        created_at=to_text(row.created_at),
        expires_at=to_text(row.expires_at),
        done_at=to_text(row.done_at) if row.done_at else None,
    )


_decode = msgspec.json.Decoder(dict[str, str]).decode
