"""Languages: which one a reader gets, and how money looks in it."""

from collections.abc import Container
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_symbol

from tiffin.primitives.money import EXPONENTS, Money

_NO_BREAK_SPACES = str.maketrans("\u00a0\u202f", "  ")
"""They are not in the SMS alphabet: one of them makes a message cost twice as much."""


def fallbacks(language: str) -> list[str]:
    """A language and what stands in for it, in lower case: `zh-Hant-TW` gives zh-hant-tw, zh-hant, zh."""
    parts = language.lower().replace("_", "-").split("-")
    return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]


def choose(wanted: str | None, default: str, available: Container[str]) -> str:
    """The best available language for who wants `wanted`. `default` is always available."""
    for language in fallbacks(wanted) if wanted else ():
        if language in available:
            return language
    return default


def spelling_for(wanted: str | None, language: str) -> str:
    """Whose way to write amounts goes with a text in `language`: es-CO with es, but never fr with en."""
    return wanted if wanted and language in fallbacks(wanted) else language


def show_money(money: Money, language: str) -> str:
    """An amount as readers of a language write it, with all the decimals that its currency has.

    How many those are is for ISO 4217 to say, as in `primitives.money`: where shops have given up small
    coins, the locale data would round to what is in use.
    """
    locale = _locale(language)
    decimals = EXPONENTS[money.currency]
    pattern = locale.currency_formats["standard"].pattern
    whole, point, _ = pattern.partition(".00")
    if point:
        pattern = whole + ("." + "0" * decimals if decimals else "") + pattern[len(whole) + len(point) :]
    if get_currency_symbol(money.currency, locale=locale)[-1].isalpha():
        pattern = pattern.replace("¤#", "¤ #")
    amount = Decimal(money.amount).scaleb(-decimals)
    text = format_currency(amount, money.currency, format=pattern, locale=locale, currency_digits=False)
    return text.translate(_NO_BREAK_SPACES)


@lru_cache(maxsize=200)
def _locale(language: str) -> Locale:
    for each in fallbacks(language):
        try:
            return Locale.parse(each, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")
