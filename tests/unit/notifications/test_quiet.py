"""Quiet hours by the clock on the wall."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from tiffin.services.notifications.quiet import quiet_until

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Tehran",
]
CHANGES = {
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)],
    "Asia/Shanghai": [datetime(2026, 5, 1, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)],
    "Pacific/Apia": [datetime(2011, 12, 30, 10, tzinfo=UTC)],  # a whole day left out
    "Asia/Tehran": [datetime(2022, 3, 21, 20, 30, tzinfo=UTC)],  # at midnight
}
times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))


def shows_quiet(moment: datetime, begins: time, ends: time, zone: ZoneInfo) -> bool:
    """Told by walking the dial from `begins` on, minute after minute, up to `ends`."""
    minutes = (ends.hour * 60 + ends.minute - begins.hour * 60 - begins.minute) % 1440
    local = moment.astimezone(zone)
    since = (local.hour * 60 + local.minute - begins.hour * 60 - begins.minute) % 1440
    return since < minutes


@given(st.data(), st.sampled_from(ZONES), st.integers(-1800, 1800), st.integers(0, 59), times, times)
def test_quiet_hours_end_at_the_first_moment_that_the_wall_clock_shows_none(
    data: st.DataObject, zone_name: str, minutes: int, seconds: int, begins: time, ends: time
) -> None:
    zone = ZoneInfo(zone_name)
    now = data.draw(st.sampled_from(CHANGES[zone_name])) + timedelta(minutes=minutes, seconds=seconds)

    found = quiet_until(now, begins, ends, zone)

    if not shows_quiet(now, begins, ends, zone):
        assert found is None
        return
    each = now.replace(second=0, microsecond=0)
    while shows_quiet(each, begins, ends, zone):
        each += timedelta(minutes=1)
    assert found == each


def test_a_night_with_a_missing_hour_ends_on_the_wall_clock() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 3, 28, 23, 30, tzinfo=berlin)
    assert quiet_until(now, time(22), time(7), berlin) == datetime(2026, 3, 29, 5, 0, tzinfo=UTC)


def test_quiet_hours_that_end_in_the_missing_hour_end_when_it_begins() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 3, 29, 1, 30, tzinfo=berlin)
    assert quiet_until(now, time(22), time(2, 30), berlin) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_the_end_itself_is_no_longer_quiet_and_equal_times_never_are() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    noon = datetime(2026, 6, 1, 12, tzinfo=shanghai)
    assert quiet_until(noon, time(11), time(12), shanghai) is None
    assert quiet_until(noon, time(12), time(12), shanghai) is None
    assert quiet_until(noon, time(12), time(12, 1), shanghai) == noon + timedelta(minutes=1)
