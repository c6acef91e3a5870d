from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.pricing import TOTAL_MAX, is_open, parse_moment, price_basket
from unit.restaurants.samples import MENU, hours, item, line, option, place, prices, window

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)  # Monday, 07:00 in Bogota


@pytest.mark.parametrize(
    ("lines", "totals", "limited"),
    [
        ([line("soup")], [800], []),
        ([line("soup", 3)], [2400], []),
        ([line("stew", 2, "rice")], [3400], []),
        ([line("stew", 2, "rice", "egg")], [3700], []),
        ([line("cake", 1, "cream")], [600], ["cake"]),
        ([line("soup"), line("cake", 2), line("stew")], [800, 1200, 1500], ["cake"]),
        ([line("cake", 2), line("soup"), line("cake", 1, "cream")], [1200, 800, 600], ["cake"]),
        ([line("stew", 1, "rice"), line("stew", 1, "egg")], [1700, 1650], []),
        ([line("soup", 99)] * 100, [79200] * 100, []),
    ],
)
def test_a_basket_costs_its_dishes_with_their_options_and_the_way(
    lines: list[c.BasketLine], totals: list[int], limited: list[str]
):
    basket = price_basket(prices(), lines, NOON)
    assert [priced.total for priced in basket.lines] == totals
    assert (basket.subtotal, basket.delivery_fee, basket.total) == (sum(totals), 300, sum(totals) + 300)
    assert basket.limited_items == limited
    assert (basket.restaurant_id, basket.currency, basket.menu_version) == ("r", "COP", 3)


def test_a_line_tells_what_was_ordered_in_words():
    (priced,) = price_basket(prices(), [line("stew", 2, "egg", "rice")], NOON).lines
    assert priced == c.PricedLine(
        item_id="stew", name="Stew", quantity=2, unit_price=1850, total=3700, options=["Egg", "Rice"]
    )
    (plain,) = price_basket(prices(), [line("stew")], NOON).lines
    assert plain.options is None


@pytest.mark.parametrize(
    ("lines", "code", "details"),
    [
        ([line("soup"), line("elsewhere")], "item_not_found", {"item_id": "elsewhere"}),
        ([line("fish")], "item_unavailable", {"item_id": "fish"}),
        ([line("soup", 1, "rice")], "option_not_found", {"item_id": "soup", "option_id": "rice"}),
        ([line("stew", 1, "cream")], "option_not_found", {"item_id": "stew", "option_id": "cream"}),
        (
            [line("stew", 1, "egg", "egg")],
            "invalid_choice",
            {"item_id": "stew", "option_id": "egg", "quantity_max": 1, "chosen": 2},
        ),
        ([line("soup", 0)], "invalid_request", {"item_id": "soup", "quantity_max": 99}),
        ([line("soup", -1)], "invalid_request", {"item_id": "soup", "quantity_max": 99}),
        ([line("soup", 100)], "invalid_request", {"item_id": "soup", "quantity_max": 99}),
        ([], "invalid_request", {"lines_max": 100}),
        ([line("soup")] * 101, "invalid_request", {"lines_max": 100}),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(
    lines: list[c.BasketLine], code: str, details: dict[str, object]
):
    with pytest.raises(Refusal) as refused:
        price_basket(prices(), lines, NOON)
    assert (refused.value.code, refused.value.details) == (code, details)


def test_the_minimum_counts_dishes_and_not_the_way():
    of_minimum = prices(minimum_subtotal=1600)
    assert price_basket(of_minimum, [line("soup", 2)], NOON).subtotal == 1600
    with pytest.raises(Refusal) as refused:
        price_basket(of_minimum, [line("stew")], NOON)
    assert refused.value.code == "below_minimum"
    assert refused.value.details == {"minimum_subtotal": 1600, "subtotal": 1500, "currency": "COP"}


def test_a_closed_restaurant_says_when_it_opens():
    with pytest.raises(Refusal) as refused:
        price_basket(prices(hours=hours([0], "08:00", "17:00")), [line("soup")], NOON)
    assert refused.value.code == "restaurant_closed"
    assert refused.value.details["opens_at"] == "2026-06-01T13:00:00.000Z"


def test_a_restaurant_without_hours_does_not_say_when_it_opens():
    with pytest.raises(Refusal) as refused:
        price_basket(prices(hours=[]), [line("soup")], NOON)
    assert "opens_at" not in refused.value.details


def test_a_restaurant_that_takes_no_orders_is_closed_whatever_its_hours():
    with pytest.raises(Refusal) as refused:
        price_basket(prices(accepting_orders=False), [line("soup")], NOON)
    assert refused.value.code == "restaurant_closed"
    assert "opens_at" not in refused.value.details


BREAKFAST = [window("07:00", "11:00", 0, 1, 2, 3, 4), window("08:00", "12:00", 5, 6)]


@pytest.mark.parametrize(
    ("at", "had"),
    [  # Bogota is five hours behind
        ("2026-06-01T11:59", False),
        ("2026-06-01T12:00", True),
        ("2026-06-01T15:59", True),
        ("2026-06-01T16:00", False),
        ("2026-06-06T12:30", False),
        ("2026-06-06T16:30", True),
    ],
)
def test_a_dish_is_to_be_had_at_its_hours_and_those_of_its_category(at: str, had: bool):
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    morning = c.MenuCategory(name="Morning", windows=BREAKFAST)
    late = window("20:00", "02:00")
    menu = [
        item("eggs", windows=BREAKFAST),
        item("arepa", category="Morning"),
        item("porridge", category="Morning", windows=[window("00:00", "24:00")]),
        item("never", category="Morning", windows=[late]),
        item("soup", category="Soups"),
    ]
    of_day = prices(menu, [morning, c.MenuCategory(name="Soups")])
    for dish in ("eggs", "arepa", "porridge"):
        if had:
            assert price_basket(of_day, [line(dish)], moment).subtotal == 1000
        else:
            with pytest.raises(Refusal) as refused:
                price_basket(of_day, [line(dish)], moment)
            assert (refused.value.code, refused.value.details["item_id"]) == ("item_unavailable", dish)
    assert price_basket(of_day, [line("soup")], moment).subtotal == 1000
    with pytest.raises(Refusal):
        price_basket(of_day, [line("never")], moment)


BANDS = [c.FeeBand(up_to_m=1000, fee=0), c.FeeBand(up_to_m=3000, fee=200)]
KM = 1 / 111.195
"""Degrees of latitude."""


@pytest.mark.parametrize(
    ("km", "fee", "minutes"), [(0, 0, 0), (0.99, 0, 4), (1.01, 200, 5), (2.99, 200, 12), (3.01, 300, 13)]
)
def test_the_way_costs_by_its_distance(km: float, fee: int, minutes: int):
    basket = price_basket(prices(fee_bands=BANDS), [line("soup")], NOON, place(4.6 + km * KM, -74.1))
    assert (basket.delivery_fee, basket.total, basket.travel_minutes) == (fee, 800 + fee, minutes)
    assert basket.distance_m == pytest.approx(km * 1000, abs=1)


def test_the_way_to_nowhere_in_particular_costs_most():
    basket = price_basket(prices(fee_bands=BANDS), [line("soup")], NOON)
    assert (basket.delivery_fee, basket.distance_m, basket.travel_minutes) == (300, None, None)


TRIANGLE = [place(4.5, -74.2), place(4.5, -74.0), place(4.65, -74.1)]


@pytest.mark.parametrize(
    ("area", "drop_off", "inside"),
    [
        (c.DeliveryArea(radius_m=2000), place(4.6 + 1.99 * KM, -74.1), True),
        (c.DeliveryArea(radius_m=2000), place(4.6 + 2.01 * KM, -74.1), False),
        (c.DeliveryArea(polygon=TRIANGLE), place(4.51, -74.18), True),
        (c.DeliveryArea(polygon=TRIANGLE), place(4.66, -74.1), False),
        (c.DeliveryArea(polygon=TRIANGLE, radius_m=2000), place(4.51, -74.18), False),
        (c.DeliveryArea(polygon=TRIANGLE, radius_m=2000), place(4.59, -74.1), True),
        (None, place(-4.6, 106), True),
    ],
)
def test_nothing_is_brought_out_of_the_area(area: c.DeliveryArea | None, drop_off: c.Place, inside: bool):
    if inside:
        assert price_basket(prices(area=area), [line("soup")], NOON, drop_off).total == 1100
        return
    with pytest.raises(Refusal) as refused:
        price_basket(prices(area=area), [line("soup")], NOON, drop_off)
    assert refused.value.code == "out_of_area"
    assert price_basket(prices(area=area), [line("soup")], NOON).total == 1100


@pytest.mark.parametrize(("portions", "fee"), [(1, 150), (2, 0), (3, 0)])
def test_a_small_basket_pays_extra(portions: int, fee: int):
    of_small = prices(small_order=c.SmallOrder(below=1600, fee=150))
    basket = price_basket(of_small, [line("soup", portions)], NOON)
    assert (basket.small_order_fee, basket.total) == (fee, 800 * portions + 300 + fee)


@pytest.mark.parametrize(("minutes", "open_again"), [(0, False), (29, False), (30, True), (31, True)])
def test_a_pause_ends_by_itself(minutes: int, open_again: bool):
    paused = prices(paused_until=to_text(NOON + timedelta(minutes=30)))
    at = NOON + timedelta(minutes=minutes)
    assert is_open(paused, at) is open_again
    if open_again:
        assert price_basket(paused, [line("soup")], at).total == 1100
        return
    with pytest.raises(Refusal) as refused:
        price_basket(paused, [line("soup")], at)
    assert refused.value.code == "restaurant_closed"
    assert refused.value.details["opens_at"] == to_text(NOON + timedelta(minutes=30))


def test_a_pause_that_ends_at_night_ends_in_the_morning():
    paused = prices(hours=hours(range(7), "06:00", "12:00"), paused_until="2026-06-01T18:00:00.000Z")
    with pytest.raises(Refusal) as refused:
        price_basket(paused, [line("soup")], NOON)
    assert refused.value.details["opens_at"] == "2026-06-02T11:00:00.000Z"


@pytest.mark.parametrize("status", ["draft", "suspended"])
def test_only_a_live_restaurant_takes_orders(status: str):
    with pytest.raises(Refusal) as refused:
        price_basket(prices(status=status), [line("soup")], NOON)
    assert refused.value.code == "restaurant_closed"
    assert "opens_at" not in refused.value.details


@pytest.mark.parametrize(
    ("dishes", "minutes_later", "expected"),
    [
        (["soup"], 60, 20),
        (["soup"], 59, 35),
        (["soup", "roast"], 60, 90),
        (["roast"], 0, 105),
        (["salad"], 60, 20),
    ],
)
def test_the_kitchen_needs_as_long_as_its_slowest_dish_and_longer_while_it_is_busy(
    dishes: list[str], minutes_later: int, expected: int
):
    busy = c.Busy(added_minutes=15, ends_at=to_text(NOON + timedelta(minutes=60)))
    menu = [item("soup"), item("roast", preparation_minutes=90), item("salad", preparation_minutes=5)]
    at = NOON + timedelta(minutes=minutes_later)
    basket = price_basket(prices(menu, busy=busy), [line(dish) for dish in dishes], at)
    assert basket.preparation_minutes == expected


def test_the_dearest_basket_the_limits_allow_is_exact_or_refused():
    dearest = item("gold", 10**8, options=[option(f"o{number}", 10**8) for number in range(20)])
    chosen = [f"o{number}" for number in range(20)]
    (priced,) = price_basket(prices([dearest]), [line("gold", 99, *chosen)], NOON).lines
    assert priced.total == 21 * 10**8 * 99
    with pytest.raises(Refusal) as refused:
        price_basket(prices([dearest]), [line("gold", 99, *chosen)] * 100, NOON)
    assert (refused.value.code, refused.value.details) == ("request_too_large", {"total_max": TOTAL_MAX})


orderable = [each for each in MENU if each.available]
any_line = st.sampled_from(orderable).flatmap(
    lambda dish: st.builds(
        lambda quantity, options: line(dish.id, quantity, *options),
        st.integers(1, 99),
        st.lists(st.sampled_from([each.id for each in dish.options or []]), unique=True)
        if dish.options
        else st.just([]),
    )
)


places = st.none() | st.builds(place, st.floats(4.5, 4.7), st.floats(-74.2, -74.0))


@given(st.lists(any_line, min_size=1, max_size=100), places, st.integers(1, 10**5), st.integers(1, 10**4))
def test_sums_add_up_in_every_basket(
    lines: list[c.BasketLine], drop_off: c.Place | None, below: int, small_fee: int
):
    of_day = prices(fee_bands=BANDS, small_order=c.SmallOrder(below=below, fee=small_fee))
    basket = price_basket(of_day, lines, NOON, drop_off)
    assert basket.subtotal == sum(priced.unit_price * priced.quantity for priced in basket.lines)
    assert basket.small_order_fee == (small_fee if basket.subtotal < below else 0)
    assert basket.total == basket.subtotal + basket.delivery_fee + basket.small_order_fee
    assert basket.delivery_fee in (0, 200, 300)


@given(st.lists(any_line, min_size=1, max_size=20), st.lists(any_line, min_size=1, max_size=20))
def test_two_baskets_in_one_cost_as_much_as_both(one: list[c.BasketLine], other: list[c.BasketLine]):
    def subtotal(lines: list[c.BasketLine]) -> int:
        return price_basket(prices(), lines, NOON).subtotal

    assert subtotal(one + other) == subtotal(other + one) == subtotal(one) + subtotal(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-06-01",
        "2026-06-01T12:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-13-01T00:00Z",
    ],
)
def test_what_is_no_moment_is_refused(text: str):
    with pytest.raises(Refusal) as refused:
        parse_moment(text)
    assert refused.value.code == "invalid_time"


def test_moments_of_any_offset_are_understood():
    assert parse_moment("2026-06-01T07:00:00-05:00") == parse_moment("2026-06-01T12:00:00.000Z") == NOON
