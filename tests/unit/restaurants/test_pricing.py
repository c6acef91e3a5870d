from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.pricing import TOTAL_MAX, parse_moment, price_basket
from unit.restaurants.samples import MENU, hours, item, line, option, prices

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


@given(st.lists(any_line, min_size=1, max_size=100))
def test_sums_add_up_in_every_basket(lines: list[c.BasketLine]):
    basket = price_basket(prices(), lines, NOON)
    assert basket.subtotal == sum(priced.unit_price * priced.quantity for priced in basket.lines)
    assert basket.total == basket.subtotal + basket.delivery_fee


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
