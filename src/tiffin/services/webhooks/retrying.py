"""When to try again, when to leave an endpoint alone, and when to give it up. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple

ATTEMPTS_MAX = 12
"""Of one delivery: over about 22 hours."""
BACKOFF_S = 5.0
BACKOFF_FACTOR = 4
BACKOFF_MAX_S = 4 * 3600.0

OPEN_AFTER = 5
"""Failures of an endpoint in a row after which it is only probed."""
PROBE_S = 30.0
PROBE_MAX_S = 1800.0


class Health(NamedTuple):
    """How an endpoint does, over all its deliveries."""

    failures: int
    """In a row."""
    failing_since: datetime | None

    @property
    def is_open(self) -> bool:
        """The circuit is open: one delivery at a time, and pauses between them."""
        return self.failures >= OPEN_AFTER


HEALTHY = Health(0, None)


def next_attempt(attempts: int, now: datetime, roll: float) -> datetime | None:
    """When a delivery that has been tried so often is tried again; None: it is not. `roll`: 0 to 1."""
    if attempts >= ATTEMPTS_MAX:
        return None
    pause_s = min(BACKOFF_S * BACKOFF_FACTOR ** (attempts - 1), BACKOFF_MAX_S)
    return now + timedelta(seconds=_spread(pause_s, roll))


def after(health: Health, succeeded: int, failed: int, now: datetime) -> Health:
    """How an endpoint does after some deliveries at once. One that is taken proves it alive."""
    if succeeded:
        return HEALTHY
    if not failed:
        return health
    return Health(health.failures + failed, health.failing_since or now)


def held_until(health: Health, now: datetime, roll: float) -> datetime | None:
    """Until when the endpoint is left alone; None: it is not."""
    if not health.is_open:
        return None
    pause_s = min(PROBE_S * 2 ** min(health.failures - OPEN_AFTER, 10), PROBE_MAX_S)
    return now + timedelta(seconds=_spread(pause_s, roll))


def is_given_up(health: Health, now: datetime, patience: timedelta) -> bool:
    """Whether it has failed for too long to be called any more."""
    since = health.failing_since
    return health.is_open and since is not None and now - since >= patience


def _spread(pause_s: float, roll: float) -> float:
    return pause_s * (0.8 + 0.4 * roll)
