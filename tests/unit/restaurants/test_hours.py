from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.hours import Schedule, check_hours, check_time_zone
from unit.restaurants.samples import hours

MON, TUE, SAT, SUN = 0, 1, 5, 6
EVERY = range(7)
TWICE = [*hours([MON], "09:00", "12:00"), *hours([MON], "14:00", "18:00")]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 2026-06-01 is a Monday; Bogota is 5 hours behind UTC the whole year.
@pytest.mark.parametrize(
    ("open_hours", "zone", "at", "is_open"),
    [
        # a plain day: opens at the minute, closes at the minute
        (hours([MON], "09:00", "17:00"), "UTC", "2026-06-01T08:59:59.999", False),
        (hours([MON], "09:00", "17:00"), "UTC", "2026-06-01T09:00", True),
        (hours([MON], "09:00", "17:00"), "UTC", "2026-06-01T16:59:59.999", True),
        (hours([MON], "09:00", "17:00"), "UTC", "2026-06-01T17:00", False),
        (hours([MON], "09:00", "17:00"), "UTC", "2026-06-02T10:00", False),
        ([], "UTC", "2026-06-01T12:00", False),
        # in its own time zone: 13:00 UTC is 08:00 in Bogota, and 03:00 UTC on Tuesday still its Monday
        (hours([MON], "09:00", "23:00"), "America/Bogota", "2026-06-01T13:59", False),
        (hours([MON], "09:00", "23:00"), "America/Bogota", "2026-06-01T14:00", True),
        (hours([MON], "09:00", "23:00"), "America/Bogota", "2026-06-02T03:59", True),
        (hours([MON], "09:00", "17:30"), "Asia/Kolkata", "2026-06-01T03:30", True),
        # the whole day, to its end
        (hours([MON], "00:00", "24:00"), "UTC", "2026-06-01T00:00", True),
        (hours([MON], "00:00", "24:00"), "UTC", "2026-06-01T23:59:59", True),
        (hours([MON], "00:00", "24:00"), "UTC", "2026-06-02T00:00", False),
        # over midnight, and over the end of the week
        (hours([MON], "22:00", "02:00"), "UTC", "2026-06-01T01:00", False),
        (hours([MON], "22:00", "02:00"), "UTC", "2026-06-02T01:59", True),
        (hours([MON], "22:00", "02:00"), "UTC", "2026-06-02T02:00", False),
        (hours([SUN], "22:00", "02:00"), "UTC", "2026-06-01T01:00", True),
        (hours([SUN], "22:00", "02:00"), "UTC", "2026-06-07T22:30", True),
        (hours([SUN], "22:00", "02:00"), "UTC", "2026-06-01T02:00", False),
        (hours([SUN], "22:00", "00:00"), "UTC", "2026-06-07T23:59", True),
        (hours([SUN], "22:00", "00:00"), "UTC", "2026-06-08T00:00", False),
        # two ranges a day, and ranges that overlap
        (
            [*hours([MON], "09:00", "12:00"), *hours([MON], "14:00", "18:00")],
            "UTC",
            "2026-06-01T13:00",
            False,
        ),
        (TWICE, "UTC", "2026-06-01T14:00", True),
        ([*hours([MON], "09:00", "18:00"), *hours([MON], "10:00", "12:00")], "UTC", "2026-06-01T17:00", True),
        # Berlin puts its clocks forward on 2026-03-29: after 01:59 comes 03:00
        (hours([SUN], "01:00", "04:00"), "Europe/Berlin", "2026-03-29T00:59", True),
        (hours([SUN], "01:00", "04:00"), "Europe/Berlin", "2026-03-29T01:59", True),
        (hours([SUN], "01:00", "04:00"), "Europe/Berlin", "2026-03-29T02:00", False),
        (hours([SUN], "02:00", "03:00"), "Europe/Berlin", "2026-03-29T00:59", False),
        (hours([SUN], "02:00", "03:00"), "Europe/Berlin", "2026-03-29T01:00", False),
        (hours([SAT], "22:00", "02:30"), "Europe/Berlin", "2026-03-29T00:59", True),
        (hours([SAT], "22:00", "02:30"), "Europe/Berlin", "2026-03-29T01:00", False),
        # and back on 2026-10-25: after 02:59 comes 02:00 again, and both are open
        (hours([SUN], "02:00", "02:30"), "Europe/Berlin", "2026-10-25T00:29", True),
        (hours([SUN], "02:00", "02:30"), "Europe/Berlin", "2026-10-25T00:30", False),
        (hours([SUN], "02:00", "02:30"), "Europe/Berlin", "2026-10-25T01:00", True),
        (hours([SUN], "02:00", "02:30"), "Europe/Berlin", "2026-10-25T01:30", False),
    ],
)
def test_a_restaurant_is_open_when_the_clock_on_its_wall_says_so(
    open_hours: list[c.OpeningHours], zone: str, at: str, is_open: bool
):
    assert Schedule(open_hours, zone).is_open(utc(at)) is is_open


@pytest.mark.parametrize(
    ("open_hours", "zone", "after", "opens_at"),
    [
        (hours([MON], "09:00", "17:00"), "UTC", "2026-06-01T08:00", "2026-06-01T09:00"),
        (hours([MON], "09:00", "17:00"), "UTC", "2026-06-01T17:00", "2026-06-08T09:00"),
        (hours(EVERY, "09:00", "17:00"), "America/Bogota", "2026-06-01T23:00", "2026-06-02T14:00"),
        (TWICE, "UTC", "2026-06-01T12:30", "2026-06-01T14:00"),
        (hours([SUN], "22:00", "02:00"), "UTC", "2026-06-01T02:00", "2026-06-07T22:00"),
        ([], "UTC", "2026-06-01T02:00", None),
        # opens at 02:30, which Berlin skips: it opens when the clock has jumped past it
        (hours([SUN], "02:30", "05:00"), "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T01:00"),
        # a range that is skipped altogether opens a week later
        (hours([SUN], "02:00", "03:00"), "Europe/Berlin", "2026-03-29T00:00", "2026-04-05T00:00"),
        # the hour that comes twice opens twice
        (hours([SUN], "02:00", "02:30"), "Europe/Berlin", "2026-10-24T23:00", "2026-10-25T00:00"),
        (hours([SUN], "02:00", "02:30"), "Europe/Berlin", "2026-10-25T00:40", "2026-10-25T01:00"),
    ],
)  # fmt: skip
def test_a_closed_restaurant_knows_when_it_opens_next(
    open_hours: list[c.OpeningHours], zone: str, after: str, opens_at: str | None
):
    assert Schedule(open_hours, zone).next_opening(utc(after)) == (utc(opens_at) if opens_at else None)


readings = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
any_hours = st.builds(
    c.OpeningHours, weekday=st.integers(0, 6), opens=readings, closes=readings | st.just("24:00")
).filter(lambda each: each.opens != each.closes)
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Bogota", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))


@given(st.lists(any_hours, max_size=6), zones, moments)
def test_the_next_opening_is_open_and_nothing_before_it_is(
    open_hours: list[c.OpeningHours], zone: str, at: datetime
):
    schedule = Schedule(open_hours, zone)
    if schedule.is_open(at):
        return
    opening = schedule.next_opening(at)
    end = opening or at + timedelta(days=8)
    assert opening is None or schedule.is_open(opening)
    before = at
    while before < end:  # ever closer to it
        assert not schedule.is_open(before)
        before += max((end - before) / 2, timedelta(minutes=1))


def test_hours_that_open_and_close_at_the_same_minute_are_refused():
    check_hours([*hours(EVERY, "00:00", "24:00"), *hours([MON], "23:00", "00:00")])
    with pytest.raises(Refusal) as refused:
        check_hours([*hours([MON], "09:00", "17:00"), *hours([TUE], "09:00", "09:00")])
    assert refused.value.code == "invalid_request"
    assert refused.value.details["weekday"] == TUE


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "America", "../etc/passwd", "/etc/localtime", "UTC\0", "Bogota"]
)
def test_what_is_no_time_zone_is_refused(name: str):
    with pytest.raises(Refusal) as refused:
        check_time_zone(name)
    assert refused.value.code == "invalid_time_zone"


@pytest.mark.parametrize("name", ["UTC", "America/Bogota", "America/Argentina/Buenos_Aires", "Asia/Kolkata"])
def test_a_time_zone_is_taken(name: str):
    check_time_zone(name)
