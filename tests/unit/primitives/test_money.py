import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.primitives.money import EXPONENTS, Money

amounts = st.integers(-(10**18), 10**18)
weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any)


def eur(amount: int) -> Money:
    return Money(amount, "EUR")


def test_currencies_are_those_of_iso_4217_with_their_decimals():
    assert len(EXPONENTS) > 150
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)
    assert [EXPONENTS[code] for code in ("EUR", "COP", "INR", "JPY", "CLP", "KWD", "TND")] == [
        2,
        2,
        2,
        0,
        0,
        3,
        3,
    ]


@pytest.mark.parametrize("amount", [1.0, "1", None, True])
def test_an_amount_that_is_no_whole_number_is_not_money(amount: object):
    with pytest.raises(TypeError):
        Money(amount, "EUR")  # pyright: ignore


@pytest.mark.parametrize("currency", ["", "eur", "XYZ", "EURO"])
def test_an_unknown_currency_is_not_money(currency: str):
    with pytest.raises(ValueError, match="unknown currency"):
        Money(1, currency)


def test_money_does_not_change():
    with pytest.raises(AttributeError):
        eur(1).amount = 2  # pyright: ignore


def test_currencies_do_not_mix():
    with pytest.raises(ValueError, match="is not"):
        eur(1).add(Money(1, "USD"))
    with pytest.raises(ValueError, match="is not"):
        eur(1).subtract(Money(1, "USD"))


@pytest.mark.parametrize("times", [1.5, True, "2"])
def test_money_is_multiplied_by_whole_numbers_only(times: object):
    with pytest.raises(TypeError):
        eur(1).multiply(times)  # pyright: ignore


@given(amounts, amounts)
def test_what_is_added_and_subtracted_again_leaves_nothing(a: int, b: int):
    assert eur(a).add(eur(b)).subtract(eur(b)) == eur(a)
    assert eur(a).add(eur(a).negate()) == eur(0)
    assert eur(a).multiply(3) == eur(a).add(eur(a)).add(eur(a))


@given(amounts, weights)
def test_an_allocation_loses_no_minor_unit(amount: int, by: list[int]):
    assert sum(share.amount for share in eur(amount).allocate(by)) == amount


@given(amounts, weights)
def test_every_share_is_within_a_minor_unit_of_its_proportion(amount: int, by: list[int]):
    for share, weight in zip(eur(amount).allocate(by), by, strict=True):
        assert abs(share.amount * sum(by) - amount * weight) < sum(by)


@given(amounts, weights)
def test_undoing_an_allocation_takes_the_same_shares_back(amount: int, by: list[int]):
    assert eur(-amount).allocate(by) == [share.negate() for share in eur(amount).allocate(by)]


@pytest.mark.parametrize(
    ("amount", "by", "shares"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (5, [3, 7], [2, 3]),  # 1.5 and 3.5: the same remainder, so the earlier one
        (10, [1, 2, 0], [3, 7, 0]),
        (1, [0, 5], [0, 1]),
        (0, [1, 1], [0, 0]),
    ],
)
def test_remainders_go_to_the_largest_and_then_to_the_earliest(amount: int, by: list[int], shares: list[int]):
    assert eur(amount).allocate(by) == [eur(share) for share in shares]


@pytest.mark.parametrize("by", [[], [0, 0], [1, -1], [-1]])
def test_there_are_no_shares_by_such_weights(by: list[int]):
    with pytest.raises(ValueError, match="no shares"):
        eur(1).allocate(by)


def test_weights_are_whole_numbers():
    with pytest.raises(TypeError):
        eur(1).allocate([0.5, 0.5])  # pyright: ignore


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(123450, "EUR"), "1,234.50 EUR"),
        (Money(5, "EUR"), "0.05 EUR"),
        (Money(-5, "USD"), "-0.05 USD"),
        (Money(1234567, "JPY"), "1,234,567 JPY"),
        (Money(1234567, "KWD"), "1,234.567 KWD"),
        (Money(0, "COP"), "0.00 COP"),
    ],
)
def test_people_read_whole_units_and_the_decimals_of_the_currency(money: Money, text: str):
    assert money.format() == text
