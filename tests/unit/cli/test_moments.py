"""Moments as people type them."""

from datetime import UTC, datetime, timedelta

import pytest

from tiffin.cli.moments import parse_moment

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-05-31", datetime(2026, 5, 31, tzinfo=UTC)),
        ("2026-05-31T10:00", datetime(2026, 5, 31, 10, tzinfo=UTC)),
        ("2026-05-31T10:00Z", datetime(2026, 5, 31, 10, tzinfo=UTC)),
        ("2026-05-31T10:00+02:00", datetime(2026, 5, 31, 8, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, expected: datetime) -> None:
    assert parse_moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2", "h", "-2h", "2w", "2026-13-01", "999999d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment"):
        parse_moment(text, NOW)
