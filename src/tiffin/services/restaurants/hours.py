"""Opening hours: whether a restaurant is open at a moment, and when it opens next.

Hours are readings of the clock on the restaurant's wall. When that clock is put forward, the readings it
skips never come; when it is put back, readings that come twice count both times.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c

_DAY = 24 * 60
_WEEK = 7 * _DAY


class Schedule:
    """Opening hours in a time zone, made for asking."""

    def __init__(self, hours: Sequence[c.OpeningHours], time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        ranges = _merge(hours)
        self._opens = [opens for opens, _ in ranges]
        self._closes = [closes for _, closes in ranges]

    def is_open(self, at: datetime) -> bool:
        """Whether the restaurant is open in the minute of this moment."""
        wall = at.astimezone(self._zone)
        minute = wall.weekday() * _DAY + wall.hour * 60 + wall.minute
        place = bisect_right(self._opens, minute) - 1
        return place >= 0 and minute < self._closes[place]

    def next_opening(self, after: datetime) -> datetime | None:
        """The first moment after this one, at which the restaurant is closed, that it opens, in UTC.

        None if it never does. At most 9 days ahead: an opening may fall into an hour that is skipped.
        """
        today = after.astimezone(self._zone).date()
        for days in range(9):
            day = today + timedelta(days=days)
            opens = (minute % _DAY for minute in self._opens if minute // _DAY == day.weekday())
            moments = sorted(moment for minute in opens for moment in self._moments(day, minute))
            for moment in moments:
                if moment > after and self.is_open(moment):
                    return moment
        return None

    def _moments(self, day: date, minute: int) -> list[datetime]:
        """When the wall's clock shows this minute: once, twice, or if skipped, when it has just been."""
        reading = datetime.combine(day, time(minute // 60, minute % 60), self._zone)
        first, second = (reading.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        if first <= second:
            return [first, second]
        while second < first and second.astimezone(self._zone).replace(tzinfo=None) < reading.replace(
            tzinfo=None
        ):
            second += timedelta(minutes=1)
        return [second]


def check_hours(hours: Sequence[c.OpeningHours]) -> None:
    """Refuse hours that open and close at the same minute: never, or always?"""
    for each in hours:
        if each.opens == each.closes:
            raise Refusal(
                "invalid_request",
                "opens and closes at the same time; all day is 00:00 to 24:00",
                {"weekday": each.weekday, "opens": each.opens, "closes": each.closes},
            )


def check_time_zone(name: str) -> None:
    """Refuse a time zone that the IANA database does not have."""
    if name not in _known_time_zones():
        raise Refusal("invalid_time_zone", "not an IANA time zone", {"time_zone": name[:64]})


@lru_cache(maxsize=1)
def _known_time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _minutes(reading: str) -> int:
    return int(reading[:2]) * 60 + int(reading[3:])


def _merge(hours: Sequence[c.OpeningHours]) -> list[tuple[int, int]]:
    """Ranges of minutes of the week, Monday 00:00 being 0, in order and apart from one another."""
    ranges: list[tuple[int, int]] = []
    for each in hours:
        opens = each.weekday * _DAY + _minutes(each.opens)
        closes = each.weekday * _DAY + _minutes(each.closes)
        if closes <= opens:
            closes += _DAY
        ranges.append((opens, min(closes, _WEEK)))
        if closes > _WEEK:
            ranges.append((0, closes - _WEEK))
    merged: list[tuple[int, int]] = []
    for opens, closes in sorted(ranges):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(closes, merged[-1][1]))
        else:
            merged.append((opens, closes))
    return merged
