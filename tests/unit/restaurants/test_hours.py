from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.hours import Schedule, check_hours, check_special_days, check_time_zone
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


def special(date: str, *ranges: tuple[str, str]) -> c.SpecialDay:
    return c.SpecialDay(date=date, hours=[c.DayHours(opens=opens, closes=closes) for opens, closes in ranges])


NIGHTS = hours(EVERY, "20:00", "02:00")


# 2026-06-01 is a Monday.
@pytest.mark.parametrize(
    ("days", "at", "is_open"),
    [
        # what opened the evening before still closes when it closes; nothing opens on the day
        ([special("2026-06-02")], "2026-06-02T01:59", True),
        ([special("2026-06-02")], "2026-06-02T20:00", False),
        ([special("2026-06-02")], "2026-06-03T01:59", False),
        ([special("2026-06-02")], "2026-06-03T20:00", True),
        # hours of the day's own, over midnight
        ([special("2026-06-02", ("10:00", "12:00"), ("22:00", "03:00"))], "2026-06-02T10:00", True),
        ([special("2026-06-02", ("10:00", "12:00"), ("22:00", "03:00"))], "2026-06-02T12:00", False),
        ([special("2026-06-02", ("10:00", "12:00"), ("22:00", "03:00"))], "2026-06-02T21:00", False),
        ([special("2026-06-02", ("10:00", "12:00"), ("22:00", "03:00"))], "2026-06-03T02:59", True),
        ([special("2026-06-02", ("10:00", "12:00"), ("22:00", "03:00"))], "2026-06-03T03:00", False),
        # two in a row, and one of a whole day
        ([special("2026-06-02"), special("2026-06-03")], "2026-06-03T01:00", False),
        ([special("2026-06-02", ("00:00", "24:00"))], "2026-06-02T23:59", True),
        ([special("2026-06-02", ("00:00", "24:00"))], "2026-06-03T00:00", False),
        # a year later it is an ordinary day
        ([special("2026-06-02")], "2027-06-02T20:00", True),
    ],
)
def test_a_special_day_replaces_what_opens_on_it(days: list[c.SpecialDay], at: str, is_open: bool):
    assert Schedule(NIGHTS, "UTC", days).is_open(utc(at)) is is_open


@pytest.mark.parametrize(
    ("open_hours", "days", "after", "opens_at"),
    [
        (NIGHTS, [special("2026-06-01")], "2026-06-01T12:00", "2026-06-02T20:00"),
        (NIGHTS, [special("2026-06-01", ("13:00", "14:00"))], "2026-06-01T12:00", "2026-06-01T13:00"),
        (NIGHTS, [special(f"2026-06-{day:02}") for day in range(1, 31)], "2026-06-01T12:00",
         "2026-07-01T20:00"),
        ([], [special("2026-12-24", ("18:00", "22:00"))], "2026-06-01T12:00", "2026-12-24T18:00"),
        ([], [special("2026-05-31", ("18:00", "22:00"))], "2026-06-01T12:00", None),
    ],
)  # fmt: skip
def test_the_next_opening_knows_special_days(
    open_hours: list[c.OpeningHours], days: list[c.SpecialDay], after: str, opens_at: str | None
):
    opening = Schedule(open_hours, "UTC", days).next_opening(utc(after))
    assert opening == (utc(opens_at) if opens_at else None)


def test_a_night_that_the_clock_is_put_back_in_opens_again():
    """Berlin: 02:30 comes, then 03:00 is 02:00 again, and the hours until 02:30 begin once more."""
    schedule = Schedule(hours([SAT], "22:00", "02:30"), "Europe/Berlin")
    assert not schedule.is_open(utc("2026-10-25T00:45"))
    assert schedule.next_opening(utc("2026-10-25T00:45")) == utc("2026-10-25T01:00")


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ([special("2026-02-30")], "2026-02-30"),
        ([special("0000-01-01")], "0000-01-01"),
        ([special("9999-12-31")], "9999-12-31"),
        ([special("2026-01-01"), special("2026-01-02"), special("2026-01-01")], "2026-01-01"),
        ([special("2026-01-01", ("09:00", "09:00"))], "2026-01-01"),
    ],
)
def test_special_days_that_make_no_sense_are_refused_by_date(days: list[c.SpecialDay], told: str):
    check_special_days([special("2026-01-01", ("22:00", "02:00")), special("2028-02-29")])
    with pytest.raises(Refusal) as refused:
        check_special_days(days)
    assert (refused.value.code, refused.value.details["date"]) == ("invalid_request", told)


readings = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
any_hours = st.builds(
    c.OpeningHours, weekday=st.integers(0, 6), opens=readings, closes=readings | st.just("24:00")
).filter(lambda each: each.opens != each.closes)
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Bogota", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))


any_days = st.lists(
    st.builds(
        special,
        st.dates(date(2026, 1, 1), date(2027, 1, 8)).map(str),
        st.tuples(readings, readings | st.just("24:00")).filter(lambda each: each[0] != each[1]),
    )
    | st.builds(special, st.dates(date(2026, 1, 1), date(2027, 1, 8)).map(str)),
    max_size=8,
    unique_by=lambda day: day.date,
)


def open_by_the_book(
    open_hours: list[c.OpeningHours], days: list[c.SpecialDay], zone: str, at: datetime
) -> bool:
    """The rules in the plainest words: what opened today or yesterday, and has not closed."""
    wall = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        own = [each for each in days if each.date == str(day)]
        opened = own[0].hours if own else [each for each in open_hours if each.weekday == day.weekday()]
        for each in opened:
            opens = datetime.combine(day, time.fromisoformat(each.opens))
            later = each.closes == "24:00" or each.closes <= each.opens
            closes = datetime.combine(day, time.fromisoformat(each.closes.replace("24:00", "00:00")))
            if opens <= wall < closes + timedelta(days=later):
                return True
    return False


@given(st.lists(any_hours, max_size=6), any_days, zones, moments)
def test_open_is_what_the_rules_say(
    open_hours: list[c.OpeningHours], days: list[c.SpecialDay], zone: str, at: datetime
):
    assert Schedule(open_hours, zone, days).is_open(at) is open_by_the_book(open_hours, days, zone, at)


@given(st.lists(any_hours, max_size=6), any_days, zones, moments)
def test_the_next_opening_is_open_and_nothing_before_it_is(
    open_hours: list[c.OpeningHours], days: list[c.SpecialDay], zone: str, at: datetime
):
    schedule = Schedule(open_hours, zone, days)
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
