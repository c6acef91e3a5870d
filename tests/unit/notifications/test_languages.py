"""Languages and money."""

from decimal import Decimal

import pytest
from babel.numbers import parse_decimal

from tiffin.primitives.money import EXPONENTS, Money
from tiffin.services.notifications.languages import choose, fallbacks, show_money, spelling_for


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("zh-Hant-TW", "zh-hant"), ("zh-Hans", "zh"), ("ZH", "zh"), ("es-419", "es"), ("es_CO", "es"),
        ("fr-CA", "en"), (None, "en"), ("e", "en"),
    ],
)  # fmt: skip
def test_a_reader_gets_the_nearest_language_there_is(wanted: str | None, chosen: str) -> None:
    assert choose(wanted, "en", {"en", "es", "zh", "zh-hant"}) == chosen


@pytest.mark.parametrize(
    ("wanted", "language", "spelling"),
    [("es-CO", "es", "es-CO"), ("fr", "en", "en"), ("est", "es", "es"), (None, "zh", "zh")],
)  # fmt: skip
def test_amounts_are_spelled_as_the_text_is(wanted: str | None, language: str, spelling: str) -> None:
    assert spelling_for(wanted, language) == spelling


def test_a_language_falls_back_part_by_part() -> None:
    assert fallbacks("zh-Hant-TW") == ["zh-hant-tw", "zh-hant", "zh"]


@pytest.mark.parametrize(
    ("amount", "currency", "language", "shown"),
    [
        (123450, "EUR", "en", "€1,234.50"), (1234550, "EUR", "es", "12.345,50 €"),
        (123450, "EUR", "de", "1.234,50 €"), (1250, "CNY", "zh", "¥12.50"), (-1250, "USD", "en", "-$12.50"),
        (1250, "JPY", "en", "¥1,250"), (1250, "KWD", "en", "KWD 1.250"), (1250, "IQD", "en", "IQD 1.250"),
        (1990000, "COP", "es-CO", "$19.900,00"), (500, "HUF", "es", "5,00 HUF"), (5, "USD", "zh", "US$0.05"),
    ],
)  # fmt: skip
def test_money_is_written_as_its_readers_do(amount: int, currency: str, language: str, shown: str) -> None:
    assert show_money(Money(amount, currency), language) == shown


@pytest.mark.parametrize("language", ["en", "es", "zh"])
@pytest.mark.parametrize("currency", sorted(EXPONENTS))
def test_money_keeps_every_minor_unit_of_every_currency(currency: str, language: str) -> None:
    decimals = EXPONENTS[currency]
    text = show_money(Money(9876543, currency), language)

    number = "".join(each for each in text if each.isdigit() or each in ".,").strip(".,")
    assert parse_decimal(number, locale=language) == Decimal(9876543).scaleb(-decimals)
    separator = "," if language == "es" else "."
    assert (number.rpartition(separator)[2] if decimals else "") == (
        "9876543"[-decimals:] if decimals else ""
    )
    assert "\u00a0" not in text
