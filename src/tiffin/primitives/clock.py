"""Time as an argument: whoever needs the moment is given a `Clock`; only `tiffin.cli` hands out the real."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present moment, with a time zone."""


def to_text(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as contracts carry it: `2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def from_text(text: str) -> datetime:
    """The moment an RFC 3339 text names, in UTC. `ValueError` if it is none or names no time zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is out of range in UTC") from None
