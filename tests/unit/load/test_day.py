import math
from collections import Counter

import pytest

from tiffin.load.day import arrival_curve, busiest_second, demo_day, select
from tiffin.load.fates import ENDINGS, PAYMENTS


@pytest.fixture(scope="module")
def day():
    return demo_day(4000, seed=1)


def test_the_arrival_curve_is_a_whole_day_and_sums_to_one():
    curve = arrival_curve()
    assert [minute for minute, _ in curve] == list(range(0, 1440, 5))
    assert math.isclose(sum(share for _, share in curve), 1)
    assert all(share >= 0 for _, share in curve)


@pytest.mark.parametrize("table", [PAYMENTS, ENDINGS])
def test_the_shares_of_a_fate_table_sum_to_one(table):
    assert math.isclose(sum(row.share for row in table), 1)
    assert len({row.name for row in table}) == len(table)


def test_the_same_seed_is_the_same_day_and_another_seed_another():
    assert demo_day(50, seed=1) == demo_day(50, seed=1)
    assert demo_day(50, seed=1) != demo_day(50, seed=2)


def test_a_demo_day_has_as_many_orders_as_asked_for_in_order_of_time(day):
    assert len(day) == 4000
    assert [arrival.at_s for arrival in day] == sorted(arrival.at_s for arrival in day)
    assert len({arrival.id for arrival in day}) == 4000


def test_a_demo_day_follows_the_arrival_curve(day):
    share = dict(arrival_curve())
    evening = sum(share[minute] for minute in range(18 * 60, 21 * 60, 5))
    found = sum(18 * 3600 <= arrival.at_s < 21 * 3600 for arrival in day) / len(day)
    assert abs(found - evening) < 0.03


def test_one_order_in_five_is_for_later_and_every_fate_happens(day):
    assert abs(sum(arrival.wanted_at_s is not None for arrival in day) / len(day) - 0.2) < 0.03
    assert {arrival.payment.name for arrival in day} == {row.name for row in PAYMENTS}
    assert {arrival.ending.name for arrival in day} == {row.name for row in ENDINGS}


def test_few_restaurants_take_many_orders_and_most_take_few(day):
    orders = sorted(Counter(arrival.restaurant_id for arrival in day).values())
    assert 2 <= orders[len(orders) // 2] <= 6
    assert orders[-1] > 30


def test_a_restaurant_and_a_customer_stay_where_they_are(day):
    assert len({(a.restaurant_id, a.pick_up) for a in day}) == len({a.restaurant_id for a in day})
    assert len({(a.customer_id, a.drop_off) for a in day}) == len({a.customer_id for a in day})


def test_a_selection_is_the_first_orders_of_a_city(day):
    chosen = select(day, "london", 10)
    assert len(chosen) == 10
    assert chosen == [arrival for arrival in day if arrival.city == "london"][:10]


def test_the_busiest_second_is_one_citys(day):
    city, second, orders = busiest_second(day)
    assert orders == sum(a.city == city and int(a.at_s) == second for a in day) > 0
