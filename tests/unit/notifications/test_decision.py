"""What is to be done about a message whose time has come."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.services.notifications.catalogue import Limit
from tiffin.services.notifications.decision import (
    ATTEMPTS_MAX,
    BACKOFF_MAX_S,
    Later,
    Over,
    Preferences,
    after_failure,
    before_sending,
    over_limit,
)
from tiffin.services.notifications.message import MessageRow

NOW = datetime(2026, 6, 1, 23, 30, tzinfo=UTC)
QUIET = Preferences(None, time(22), time(7), "UTC", ())
MORNING = datetime(2026, 6, 2, 7, tzinfo=UTC)


def message(**more: Any) -> MessageRow:
    values: dict[str, Any] = {
        "shard": 1, "role": "customer", "person_id": "ana", "key": "k", "order_id": None,
        "template": "order_late", "kind": "order", "urgent": False, "created_at": NOW,
        "expires_at": NOW + timedelta(days=1), "variables": "{}", "secrets": None, "phone": None,
        "language": None,
    }  # fmt: skip
    return MessageRow(**{**values, **more})


@pytest.mark.parametrize(
    ("row", "preferences", "decision"),
    [
        (message(), Preferences(), None),
        (message(), QUIET, Later(MORNING)),
        (message(urgent=True), QUIET, None),
        (message(kind="security"), QUIET, None),
        (message(kind="payment"), QUIET, Later(MORNING)),
        (message(expires_at=NOW + timedelta(hours=1)), QUIET, Over("suppressed", "quiet_hours")),
        (message(expires_at=NOW), Preferences(), Over("expired", "not sent in time")),
        (message(expires_at=NOW, reason="error=503"), Preferences(), Over("expired", "error=503")),
        (message(expires_at=NOW, kind="security"), QUIET, Over("expired", "not sent in time")),
        (message(), QUIET._replace(opt_outs=["order"]), Over("suppressed", "opted_out")),
        (message(urgent=True), QUIET._replace(opt_outs=["order"]), Over("suppressed", "opted_out")),
        (message(urgent=True), QUIET._replace(opt_outs=["payment"]), None),
        (message(kind="security"), QUIET._replace(opt_outs=["security"]), None),
        (message(), QUIET._replace(time_zone="Asia/Shanghai"), None),  # half past seven there
    ],
)
def test_a_message_goes_out_waits_or_is_over(
    row: MessageRow, preferences: Preferences, decision: object
) -> None:
    assert before_sending(row, preferences, NOW) == decision


@pytest.mark.parametrize(
    ("in_hour", "in_day", "reason"),
    [(1, 1, None), (2, 5, None), (3, 3, "limit_order_hour"), (1, 6, "limit_order_day")],
)
def test_a_limit_lets_exactly_so_many_through(in_hour: int, in_day: int, reason: str | None) -> None:
    over = over_limit("order", Limit(hour=2, day=5), in_hour, in_day)
    assert over == (Over("suppressed", reason) if reason else None)


@given(st.integers(1, ATTEMPTS_MAX - 1), st.floats(0, 1, exclude_max=True))
def test_each_retry_waits_up_to_twice_as_long_and_never_beyond_the_expiry(attempts: int, roll: float) -> None:
    whole = min(5.0 * 2 ** (attempts - 1), BACKOFF_MAX_S)
    decision = after_failure(message(), attempts, "no", NOW, roll)
    assert isinstance(decision, Later)
    assert whole / 2 <= (decision.at - NOW).total_seconds() <= whole
    soon = message(expires_at=NOW + timedelta(seconds=2))
    assert after_failure(soon, attempts, "no", NOW, roll) == Later(NOW + timedelta(seconds=2))


def test_attempts_come_to_an_end() -> None:
    assert after_failure(message(), ATTEMPTS_MAX, "error=503", NOW, 0.5) == Over("failed", "error=503")
