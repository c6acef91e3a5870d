"""Opening hours: whether a restaurant is open at a moment, and when it opens next.

Hours are readings of the clock on the restaurant's wall. When that clock is put forward, the readings it
skips never come; when it is put back, readings that come twice count both times. A special day replaces what
opens on its date; what opened the evening before still closes when it closes.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.week import DAY, Range, Week, range_of

_WEEK_DAYS = 7
_SKIPPED_DAYS = 2
"""An opening that a clock put forward skips altogether comes a week later."""
_MINUTE = timedelta(minutes=1)


class Schedule:
    """Opening hours and special days in a time zone, made for asking."""

    __slots__ = ("_special", "week", "zone")

    def __init__(
        self, hours: Sequence[c.OpeningHours], time_zone: str, special_days: Sequence[c.SpecialDay] = ()
    ) -> None:
        self.zone = ZoneInfo(time_zone)
        self.week = Week(range_of(each.weekday, each.opens, each.closes) for each in hours)
        self._special = {date.fromisoformat(day.date): _day_ranges(day) for day in special_days}

    def is_open(self, at: datetime) -> bool:
        """Whether the restaurant is open in the minute of this moment."""
        return self.is_open_on(at.astimezone(self.zone))

    def is_open_on(self, wall: datetime) -> bool:
        """The same, by a reading of the clock on the wall."""
        if self._special:
            today = wall.date()
            if today in self._special or today - timedelta(days=1) in self._special:
                minute = wall.hour * 60 + wall.minute
                return _covers(self._opening_on(today), minute) or _covers(
                    self._opening_on(today - timedelta(days=1)), minute + DAY
                )
        return self.week.covers(wall)

    def next_opening(self, after: datetime) -> datetime | None:
        """The first moment after this one, at which the restaurant is closed, that it opens, in UTC.

        None if it never does.
        """
        for day in self._days_to_look_at(after.astimezone(self.zone).date()):
            minutes = {opens for opens, _ in self._opening_on(day)}
            moments = {moment for minute in minutes for moment in self._moments(day, minute)}
            for moment in sorted(moments | self._jumps(day)):
                if moment > after and self.is_open(moment):
                    return moment
        return None

    def _opening_on(self, day: date) -> Sequence[Range]:
        """What opens on a date, in minutes of that date; an end after midnight is beyond 24 hours."""
        special = self._special.get(day)
        return self.week.opening_on(day.weekday()) if special is None else special

    def _days_to_look_at(self, today: date) -> list[date]:
        """So many that an ordinary week is among them, and all special days to come."""
        to_come = [day for day in self._special if day >= today]
        ahead = _WEEK_DAYS + _SKIPPED_DAYS + len(to_come)
        return sorted({today + timedelta(days=days) for days in range(ahead)}.union(to_come))

    def _moments(self, day: date, minute: int) -> Iterator[datetime]:
        """When the wall's clock shows this minute: once, twice, or never if it is skipped."""
        reading = datetime.combine(day, time(minute // 60, minute % 60), self.zone)
        for fold in (0, 1):
            moment = reading.replace(fold=fold).astimezone(UTC)
            if moment.astimezone(self.zone).replace(tzinfo=None) == reading.replace(tzinfo=None):
                yield moment

    def _jumps(self, day: date) -> set[datetime]:
        """The moment of this date, if any, at which the wall's clock is put forward or back."""
        first = datetime.combine(day, time(), self.zone).astimezone(UTC)
        last = datetime.combine(day + timedelta(days=1), time(), self.zone).astimezone(UTC)
        before = self._offset(first)
        if self._offset(last) == before:
            return set()
        while last - first > _MINUTE:
            middle = first + timedelta(minutes=(last - first) // _MINUTE // 2)
            if self._offset(middle) == before:
                first = middle
            else:
                last = middle
        return {last}

    def _offset(self, moment: datetime) -> timedelta | None:
        return moment.astimezone(self.zone).utcoffset()


def check_hours(hours: Sequence[c.OpeningHours]) -> None:
    """Refuse hours that open and close at the same minute: never, or always?"""
    for each in hours:
        if each.opens == each.closes:
            raise Refusal(
                "invalid_request",
                "opens and closes at the same time; all day is 00:00 to 24:00",
                {"weekday": each.weekday, "opens": each.opens, "closes": each.closes},
            )


def check_special_days(days: Sequence[c.SpecialDay]) -> None:
    """Refuse dates that are none, a date given twice, and hours that open and close at the same minute."""
    seen: set[str] = set()
    for day in days:
        try:
            year = date.fromisoformat(day.date).year
        except ValueError:
            year = 0
        if not 1970 <= year <= 9000:
            raise Refusal("invalid_request", "not a date", {"date": day.date})
        if day.date in seen:
            raise Refusal("invalid_request", "a date is given twice", {"date": day.date})
        seen.add(day.date)
        if any(each.opens == each.closes for each in day.hours):
            raise Refusal(
                "invalid_request", "opens and closes at the same time; all day is 00:00 to 24:00",
                {"date": day.date},
            )  # fmt: skip


def check_time_zone(name: str) -> None:
    """Refuse a time zone that the IANA database does not have."""
    if name not in _known_time_zones():
        raise Refusal("invalid_time_zone", "not an IANA time zone", {"time_zone": name[:64]})


@lru_cache(maxsize=1)
def _known_time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _day_ranges(day: c.SpecialDay) -> list[Range]:
    return [range_of(0, each.opens, each.closes) for each in day.hours]


def _covers(ranges: Iterable[Range], minute: int) -> bool:
    return any(opens <= minute < closes for opens, closes in ranges)
