"""The breaker: opens after failures in a row, lets one call try, and closes when that is answered."""

from collections.abc import Callable

import pytest

from tiffin.rpc.breaker import Breaker, State


def opened() -> Breaker:
    """Open since moment 0, for a second."""
    breaker = Breaker(failures_to_open=3, open_s=1, open_max_s=4)
    for _ in range(3):
        breaker.failed(0)
    return breaker


def test_it_opens_after_failures_in_a_row():
    breaker = Breaker(failures_to_open=3)
    breaker.failed(0)
    breaker.failed(0)
    assert breaker.allow(0)
    breaker.failed(0)
    assert not breaker.allow(0)


def test_a_success_between_failures_keeps_it_closed():
    breaker = Breaker(failures_to_open=2)
    for _ in range(5):
        breaker.failed(0)
        breaker.succeeded()
    assert breaker.allow(0)


def test_at_a_sign_of_life_it_tries_at_once_but_only_with_one_call():
    breaker = opened()
    breaker.came_back(0.25)
    assert [breaker.allow(0.25) for _ in range(3)] == [True, False, False]


def test_it_says_how_long_it_rests():
    assert opened().wait_s(0.25) == 0.75
    assert opened().wait_s(2) == 0
    assert Breaker().wait_s(0) == 0


def test_after_its_rest_exactly_one_call_goes_out():
    breaker = opened()
    assert not breaker.allow(0.999)
    assert [breaker.allow(1) for _ in range(5)] == [True, False, False, False, False]


def test_asking_whether_it_would_allow_takes_no_trial():
    breaker = opened()
    assert not breaker.would_allow(0.5)
    assert breaker.would_allow(1) and breaker.would_allow(1)
    assert breaker.allow(1)
    assert not breaker.would_allow(1)


def test_an_answered_trial_closes_it_and_forgets_the_past():
    breaker = opened()
    assert breaker.allow(1)
    breaker.succeeded()
    breaker.failed(1)
    breaker.failed(1)
    assert breaker.state is State.CLOSED


def test_every_failed_trial_doubles_the_rest_up_to_its_limit():
    breaker, now, rests = opened(), 0.0, []
    for _ in range(4):
        rests.append(breaker.wait_s(now))
        now += rests[-1]
        assert breaker.allow(now)
        breaker.failed(now)
    assert rests == [1, 2, 4, 4]


def test_an_answered_trial_makes_the_rest_short_again():
    breaker = opened()
    assert breaker.allow(1)
    breaker.failed(1)
    assert breaker.allow(3)
    breaker.succeeded()
    for _ in range(3):
        breaker.failed(3)
    assert breaker.wait_s(3) == 1


def test_a_trial_whose_caller_went_away_makes_way_for_the_next():
    breaker = opened()
    assert breaker.allow(1)
    breaker.gave_up(1)
    assert [breaker.allow(1), breaker.allow(1)] == [True, False]


@pytest.mark.parametrize(
    "late", [Breaker.succeeded, lambda breaker: breaker.failed(0.5), lambda breaker: breaker.gave_up(0.5)]
)
def test_calls_from_before_it_opened_change_nothing(late: Callable[[Breaker], None]):
    breaker = opened()
    late(breaker)
    assert breaker.wait_s(0.5) == 0.5
