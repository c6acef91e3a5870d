"""Moments as people type them."""

import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_moment(text: str, now: datetime) -> datetime:
    """`2026-11-22T10:00Z`, without a zone in UTC; or how long ago: `90s`, `30m`, `2h`, `3d`.

    `ValueError` with a message for people if it is neither.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(f"{text} is no moment: write 2026-11-22T10:00Z, or 2h for two hours ago") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
