"""Moments as contracts carry them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.primitives.clock import from_text, to_text


def test_a_moment_is_written_in_utc_with_milliseconds():
    bogota = timezone(timedelta(hours=-5))
    assert to_text(datetime(2026, 1, 31, 7, 0, 0, 1999, tzinfo=bogota)) == "2026-01-31T12:00:00.001Z"


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_what_is_written_is_read_back(moment: datetime):
    assert from_text(to_text(moment)) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)), st.integers(0, 10**9)
)
def test_texts_sort_as_moments_do(moment: datetime, later_ms: int):
    assert to_text(moment) <= to_text(moment + timedelta(milliseconds=later_ms))


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31T07:00:00-05:00", "2026-01-31T12:00:00.000Z"]
)
def test_any_time_zone_is_understood(text: str):
    assert from_text(text) == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "noon", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "12:00Z"]
)
def test_what_names_no_moment_is_refused(text: str):
    with pytest.raises(ValueError):
        from_text(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_beyond_the_calendar_is_refused_like_any_other(text: str):
    with pytest.raises(ValueError):
        from_text(text)
