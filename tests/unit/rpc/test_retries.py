"""The retry budget and the pauses."""

import pytest

from tiffin.rpc.retries import PAUSE_MAX_S, RetryBudget, pause_s


def test_under_an_outage_calls_grow_by_the_share_and_no_more():
    budget = RetryBudget(share=0.1, burst=10)
    retries = 0
    for _ in range(1000):
        budget.pay_in()
        while budget.take():
            retries += 1
    assert 100 <= retries <= 110


def test_quiet_times_save_up_a_burst_and_no_more():
    budget = RetryBudget(share=0.5, burst=3)
    for _ in range(100):
        budget.pay_in()
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]


@pytest.mark.parametrize(("retry", "longest_s"), [(1, 0.02), (2, 0.04), (3, 0.08), (10, PAUSE_MAX_S)])
def test_a_pause_is_anything_up_to_a_limit_that_doubles(retry: int, longest_s: float):
    assert pause_s(retry, lambda: 0) == 0
    assert pause_s(retry, lambda: 0.5) == longest_s / 2
    assert pause_s(retry, lambda: 1) == pytest.approx(longest_s)
