"""When to try again, when to leave an endpoint alone, when to give it up."""

from datetime import UTC, datetime, timedelta

from tiffin.services.webhooks.retrying import (
    ATTEMPTS_MAX,
    HEALTHY,
    OPEN_AFTER,
    Health,
    after,
    held_until,
    is_given_up,
    next_attempt,
)

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_pauses_get_longer_and_go_over_hours() -> None:
    for roll in (0.0, 0.5, 1.0):
        pauses = [next_attempt(attempts, NOW, roll) for attempts in range(1, ATTEMPTS_MAX)]
        waits = [at - NOW for at in pauses if at]
        assert len(waits) == ATTEMPTS_MAX - 1
        assert waits == sorted(waits)
        assert waits[0] <= timedelta(seconds=6)
        assert 12 * HOUR < sum(waits, timedelta()) < 36 * HOUR


def test_chance_spreads_them() -> None:
    assert len({next_attempt(3, NOW, roll / 10) for roll in range(10)}) == 10


def test_it_ends() -> None:
    assert next_attempt(ATTEMPTS_MAX, NOW, 0.5) is None


def test_one_success_makes_an_endpoint_healthy_and_only_failures_make_it_ill() -> None:
    ill = after(HEALTHY, 0, 3, NOW)
    assert ill == Health(3, NOW)
    assert after(ill, 0, 2, NOW + HOUR) == Health(5, NOW), "since the first of them"
    assert after(ill, 1, 7, NOW + HOUR) == HEALTHY
    assert after(ill, 0, 0, NOW + HOUR) == ill


def test_after_some_failures_in_a_row_it_is_left_alone_longer_and_longer_but_never_for_ever() -> None:
    assert held_until(Health(OPEN_AFTER - 1, NOW), NOW, 0.5) is None
    pauses = [held_until(Health(OPEN_AFTER + more, NOW), NOW, 0.5) for more in range(2000)]
    waits = [at - NOW for at in pauses if at]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=30), timedelta(minutes=30))


def test_it_is_given_up_after_days_of_failure_and_not_after_one_failure_long_ago() -> None:
    days = timedelta(days=5)
    assert not is_given_up(Health(50, NOW), NOW + days - HOUR, days)
    assert is_given_up(Health(50, NOW), NOW + days, days)
    assert not is_given_up(Health(1, NOW), NOW + days, days)
    assert not is_given_up(HEALTHY, NOW + days, days)
