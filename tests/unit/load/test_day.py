import math
from collections import Counter

import pytest

from tiffin.load.day import arrival_curve, busiest_second, demo_day, draw_fate, select, with_every_trouble
from tiffin.load.fates import ENDINGS, PAYMENTS
from tiffin.load.troubles import ANSWERS, TROUBLES


@pytest.fixture(scope="module")
def day():
    return demo_day(4000, seed=1)


def test_the_arrival_curve_is_a_whole_day_and_sums_to_one():
    curve = arrival_curve()
    assert [minute for minute, _ in curve] == list(range(0, 1440, 5))
    assert math.isclose(sum(share for _, share in curve), 1)
    assert all(share >= 0 for _, share in curve)


@pytest.mark.parametrize("table", [PAYMENTS, ENDINGS, ANSWERS])
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
    assert {arrival.payment.name for arrival in day} >= {row.name for row in PAYMENTS}
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


def test_the_same_order_has_the_same_trouble_each_time():
    assert demo_day(500, seed=3) == demo_day(500, seed=3)
    assert draw_fate("medellin-C-14-2833") == draw_fate("medellin-C-14-2833")


def test_a_real_day_has_every_kind_of_case_a_hundred_times_and_a_refund_in_every_fortieth_order():
    fates = [draw_fate(f"city-C-1-{n}") for n in range(55_000)]
    kinds, troubled = Counter(), 0
    for _, _, trouble in fates:
        if trouble is not None:
            troubled += not trouble.calls_off
            kinds.update((ask.kind, ask.moment if ask.kind == "cancel" else "") for ask in trouble.asks)
    later = kinds.pop(("cancel", "packed")) + kinds.pop(("cancel", "on the road"))
    assert len(kinds) == 10
    assert min(later, *kinds.values()) >= 100
    assert troubled / len(fates) > 0.027


def test_trouble_comes_only_to_orders_that_nothing_else_ends(day):
    for arrival in day:
        if arrival.trouble is not None:
            assert arrival.ending.end in ("confirmed", "left")
            assert not arrival.payment.never
            assert arrival.payment.method == "online" or not arrival.trouble.is_online


def test_a_small_day_shows_every_trouble_and_is_otherwise_the_same():
    plain = demo_day(150)
    told = with_every_trouble(plain)
    assert {arrival.trouble for arrival in told} == {None, *TROUBLES}
    assert with_every_trouble(plain) == told
    assert [(a.id, a.at_s, a.ending) for a in told] == [(a.id, a.at_s, a.ending) for a in plain]
    assert all(a == b for a, b in zip(told, plain, strict=True) if b.trouble is not None)
    for arrival in told:
        if arrival.trouble is not None and arrival.trouble.payment is not None:
            assert arrival.payment == arrival.trouble.payment


def test_a_day_of_one_order_is_shown_as_far_as_it_goes():
    (told,) = with_every_trouble(demo_day(1))
    assert told.trouble in (None, *TROUBLES)
