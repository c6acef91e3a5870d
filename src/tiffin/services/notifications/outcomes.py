"""What can become of a message that somebody has claimed, and how that is recorded."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from prometheus_client import Counter, Histogram

from tiffin.services.notifications.decision import Later, Over, Preferences
from tiffin.services.notifications.message import MessageRow, key_of

_ended = Counter("tiffin_notifications", "Messages that came to an end.", ["kind", "state"])
_retried = Counter("tiffin_notifications_retried", "Attempts that will be made again.", ["kind"])
_lag = Histogram(
    "tiffin_notifications_lag_seconds", "From what a message tells to a provider's taking it.", ["kind"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 36000),
)  # fmt: skip


ON_DUE = ("look_again", "settled")
"""The statements about what is due; they return the keys that still were."""


class Claimed(NamedTuple):
    """A message to be looked at."""

    row: MessageRow
    attempts: int
    """How often it has been claimed to be sent, this time included."""
    preferences: Preferences
    lease_ends: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """A provider has taken the message."""

    language: str
    text: str
    readable: str | None


@dataclass(frozen=True, slots=True)
class Forget:
    """Whom it was for is gone: nothing about them stays."""


class Blank:
    """It has been sent; what was readable until now no longer is."""


Outcome = Over | Later | Sent | Forget | Blank


class Failed(NamedTuple):
    """It has to be tried again, and why."""

    later: Later
    reason: str


def statements_of(
    claimed: Claimed, outcome: Outcome | Failed, now: datetime
) -> list[tuple[str, tuple[object, ...]]]:
    """Which statements record an outcome, with their arguments."""
    row, attempts, key = claimed.row, claimed.attempts, key_of(claimed.row)
    match outcome:
        case Blank():
            return [("blank", key), ("settled", key)]
        case Forget():
            return [("forget_one", key), ("settled", key), ("forget_counts", key[:3])]
        case Later(at):
            return [("look_again", (*key, at, attempts - 1))]
        case Failed(Later(at), reason):
            return [("note", (*key, reason, attempts)), ("look_again", (*key, at, attempts))]
        case Over(state, reason):
            tried = attempts if state == "failed" else attempts - 1
            return [("finish", (*key, state, reason, tried, None, None, None, now)), ("settled", key)]
        case Sent(language, text, readable):
            finish = ("finish", (*key, "sent", None, attempts, language, text, readable, now))
            then = ("look_again", (*key, row.expires_at, attempts)) if readable else ("settled", key)
            return [finish, then]


def measure(row: MessageRow, outcome: Outcome | Failed, now: datetime) -> None:
    """Count it."""
    match outcome:
        case Sent():
            _ended.labels(row.kind, "sent").inc()
            _lag.labels(row.kind).observe((now - row.created_at).total_seconds())
        case Over(state, _):
            _ended.labels(row.kind, state).inc()
        case Failed():
            _retried.labels(row.kind).inc()
        case Forget():
            _ended.labels(row.kind, "forgotten").inc()
        case Later() | Blank():
            pass
