"""What is to be done about a message whose time has come: pure."""

from collections.abc import Collection
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tiffin.services.notifications.catalogue import MAY_OPT_OUT, Kind, Limit
from tiffin.services.notifications.message import MessageRow, State
from tiffin.services.notifications.quiet import quiet_until

ATTEMPTS_MAX = 8
BACKOFF_S = 5.0
BACKOFF_MAX_S = 600.0
LATE_KEPT = timedelta(days=1)
"""A message heard of so long after it has expired is not even recorded: somebody is reading an old log."""


class Preferences(NamedTuple):
    """How a person wants to be written to."""

    language: str | None = None
    quiet_from: time | None = None
    quiet_until: time | None = None
    time_zone: str | None = None
    opt_outs: Collection[str] = ()


class Over(NamedTuple):
    """The message will not be sent."""

    state: State
    reason: str


class Later(NamedTuple):
    """The message has to wait."""

    at: datetime


def before_sending(row: MessageRow, preferences: Preferences, now: datetime) -> Over | Later | None:
    """Whether a message may go out now; None: it may. Urgent: by its sender's word, or security."""
    if now >= row.expires_at:
        return Over("expired", row.reason or "not sent in time")
    if row.kind in MAY_OPT_OUT and row.kind in preferences.opt_outs:
        return Over("suppressed", "opted_out")
    if row.urgent or row.kind == "security":
        return None
    if preferences.quiet_from and preferences.quiet_until and preferences.time_zone:
        zone = ZoneInfo(preferences.time_zone)
        ends = quiet_until(now, preferences.quiet_from, preferences.quiet_until, zone)
        if ends is not None:
            return Later(ends) if ends < row.expires_at else Over("suppressed", "quiet_hours")
    return None


def over_limit(kind: Kind, limit: Limit, in_hour: int, in_day: int) -> Over | None:
    """What becomes of somebody's message of a kind, the so-and-so-many-th of this hour and this day."""
    if in_hour > limit.hour:
        return Over("suppressed", f"limit_{kind}_hour")
    if in_day > limit.day:
        return Over("suppressed", f"limit_{kind}_day")
    return None


def after_failure(row: MessageRow, attempts: int, reason: str, now: datetime, roll: float) -> Over | Later:
    """When to try again, if at all. Twice as long each time, spread by `roll` (0 to 1) over a half."""
    if attempts >= ATTEMPTS_MAX:
        return Over("failed", reason)
    pause_s = min(BACKOFF_S * 2 ** (attempts - 1), BACKOFF_MAX_S) * (0.5 + roll / 2)
    return Later(min(now + timedelta(seconds=pause_s), row.expires_at))
