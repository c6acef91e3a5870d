"""A week's recurring ranges of minutes: opening hours, and the hours at which a dish is to be had."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime

from tiffin.rpc import contracts as c

DAY = 24 * 60
"""Minutes."""
_WEEK = 7 * DAY

Range = tuple[int, int]
"""The first minute, and the one after the last."""


class Week:
    """Ranges of minutes of the week, Monday 00:00 being 0, made for asking. They may run over its end.

    Kept in arrays: a process has a hundred thousand of these, and the garbage collector looks into lists.
    """

    __slots__ = ("_ends", "_given", "_starts")

    def __init__(self, ranges: Iterable[Range]) -> None:
        given = sorted(set(ranges))
        merged = _merge(given)
        self._given = array("h", [minute for each in given for minute in each])
        self._starts = array("h", [start for start, _ in merged])
        self._ends = array("h", [end for _, end in merged])

    def covers(self, wall: datetime) -> bool:
        """Whether the minute of this reading is in one of the ranges."""
        minute = wall.weekday() * DAY + wall.hour * 60 + wall.minute
        place = bisect_right(self._starts, minute) - 1
        return place >= 0 and minute < self._ends[place]

    def opening_on(self, weekday: int) -> Sequence[Range]:
        """The ranges that begin on a weekday, in minutes of that day."""
        midnight = weekday * DAY
        return [
            (start - midnight, end - midnight)
            for start, end in zip(self._given[::2], self._given[1::2], strict=True)
            if midnight <= start < midnight + DAY
        ]

    def __bool__(self) -> bool:
        return bool(self._starts)


def range_of(weekday: int, starts: str, ends: str) -> Range:
    """The minutes of `HH:MM` to `HH:MM`; an end that is not later is the next day's."""
    start, end = (weekday * DAY + int(reading[:2]) * 60 + int(reading[3:]) for reading in (starts, ends))
    return start, end if end > start else end + DAY


def week_of(windows: Iterable[c.AvailabilityWindow]) -> Week:
    """The hours at which something is to be had."""
    return Week(
        range_of(weekday, window.starts, window.ends)
        for window in windows
        for weekday in (window.weekdays or range(7))
    )


def _merge(ranges: Iterable[Range]) -> list[Range]:
    """In order and apart from one another, none over the end of the week."""
    split: list[Range] = []
    for start, end in ranges:
        split.append((start, min(end, _WEEK)))
        if end > _WEEK:
            split.append((0, end - _WEEK))
    merged: list[Range] = []
    for start, end in sorted(split):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
