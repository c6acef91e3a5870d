"""Quiet hours: local wall time, on days of 23 and 25 hours too."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

RESOLUTION = timedelta(seconds=1)


def quiet_until(now: datetime, begins: time, ends: time, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours that hold at `now` end; None if they do not hold. In UTC.

    Quiet is whenever the clock on the wall shows a time from `begins` (included) to `ends` (not included),
    over midnight if `ends` is earlier; equal times mean never. A wall clock that is put back may show quiet
    hours twice. One put forward over their end ends them at that moment.
    """
    if not _is_quiet(now, begins, ends, zone):
        return None
    today = now.astimezone(zone).date()
    moments: list[datetime] = []
    for day in (today, today + timedelta(days=1)):
        first, second = (
            datetime.combine(day, ends, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)
        )
        moments += [first, second]
        if second < first:  # the clock jumps over this time
            moments.append(_jump(second, first, zone))
    return min(each for each in moments if each > now and not _is_quiet(each, begins, ends, zone))


def _is_quiet(moment: datetime, begins: time, ends: time, zone: ZoneInfo) -> bool:
    local = moment.astimezone(zone).time()
    if begins <= ends:
        return begins <= local < ends
    return local >= begins or local < ends


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between two at which the zone's offset changes, to the second."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > RESOLUTION:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
