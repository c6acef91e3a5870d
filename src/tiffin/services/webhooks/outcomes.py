"""What can become of a delivery that has been tried, and how that is noted."""

from datetime import datetime
from typing import NamedTuple

from prometheus_client import Counter, Histogram

from tiffin.rpc import contracts as c
from tiffin.services.webhooks.delivery import DeliveryRow, Reason, State, with_attempt
from tiffin.services.webhooks.retrying import next_attempt
from tiffin.services.webhooks.store import QUERIES
from tiffin.storage.node import Connection

_attempts = Counter("tiffin_webhooks_attempts", "Calls of endpoints.", ["outcome"])
_ended = Counter("tiffin_webhooks_ended", "Deliveries that came to an end.", ["state"])
_lag = Histogram(
    "tiffin_webhooks_lag_seconds", "From what a delivery tells to its being taken.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 36000),
)  # fmt: skip

GONE = 410
"""Nobody will ever take anything there again: so Standard Webhooks has it."""


class Tried(NamedTuple):
    """A delivery after a call, or after it was found that there must be none."""

    row: DeliveryRow
    tried: int
    """How often since it was queued, this time included."""
    attempt: c.WebhookAttempt | None
    """None: it was not to be sent."""

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        status = self.attempt and self.attempt.status
        return status is not None and 200 <= status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver says that it is there no more."""
        return self.attempt is not None and self.attempt.status == GONE


async def note(connection: Connection, tried: Tried, now: datetime, roll: float) -> None:
    """Write it down. Whoever asks holds the endpoint's lane."""
    row = tried.row
    attempts = with_attempt(row.attempts, tried.attempt) if tried.attempt else row.attempts
    state, reason, again_at = _outcome(tried, now, roll)
    done_at = None if state == "waiting" else now
    place = (row.shard, row.endpoint_id)
    await connection.execute(QUERIES["tried"], *place, row.id, state, reason, attempts, done_at)
    if again_at is None:
        await connection.execute(QUERIES["settled"], *place, row.key, row.version)
    else:
        await connection.execute(QUERIES["try_again"], *place, row.key, row.version, again_at)
    if tried.attempt:
        _attempts.labels("taken" if tried.is_taken else "failed").inc()
    if state != "waiting":
        _ended.labels(state).inc()
    if tried.is_taken:
        _lag.observe((now - row.at).total_seconds())


def _outcome(tried: Tried, now: datetime, roll: float) -> tuple[State, Reason | None, datetime | None]:
    if tried.is_taken:
        return "delivered", None, None
    if tried.attempt is None:
        return "failed", "not_let", None
    if tried.is_gone:
        return "failed", "endpoint_gone", None
    again_at = next_attempt(tried.tried, now, roll)
    return ("failed", "gave_up", None) if again_at is None else ("waiting", None, again_at)
