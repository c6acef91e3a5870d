"""Money: a whole number of minor units and a currency. No float comes near it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_TWO = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR
MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD
SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"

EXPONENTS: Mapping[str, int] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_NONE.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
}
"""Every currency the platform knows, with the number of its minor unit's decimals (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount. `ValueError` for a currency nobody knows, `TypeError` for an amount that is no int."""

    amount: int
    """Minor units."""
    currency: str

    def __post_init__(self) -> None:
        _whole(self.amount)
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")

    def add(self, other: "Money") -> "Money":
        """The sum. `ValueError` if the currencies differ."""
        return Money(self.amount + self._same(other).amount, self.currency)

    def subtract(self, other: "Money") -> "Money":
        """The difference. `ValueError` if the currencies differ."""
        return Money(self.amount - self._same(other).amount, self.currency)

    def negate(self) -> "Money":
        """As much the other way: what undoes this."""
        return Money(-self.amount, self.currency)

    def multiply(self, times: int) -> "Money":
        """So many of these."""
        return Money(self.amount * _whole(times), self.currency)

    def allocate(self, weights: Sequence[int]) -> "list[Money]":
        """Split in proportion to the weights; the shares sum to exactly this amount.

        What does not divide evenly goes, a minor unit each, to the largest remainders, to the earlier share
        among equals. A negative amount splits as its opposite does. `ValueError` if a weight is negative or
        all are zero.
        """
        total = sum(_whole(weight) for weight in weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError(f"no shares by weights {list(weights)}")
        size, sign = abs(self.amount), -1 if self.amount < 0 else 1
        shares = [size * weight // total for weight in weights]
        by_remainder = sorted(range(len(weights)), key=lambda place: -(size * weights[place] % total))
        for place in by_remainder[: size - sum(shares)]:
            shares[place] += 1
        return [Money(sign * share, self.currency) for share in shares]

    def format(self) -> str:
        """For people: `1,234.50 EUR`."""
        decimals = EXPONENTS[self.currency]
        whole, minor = divmod(abs(self.amount), 10**decimals)
        sign = "-" if self.amount < 0 else ""
        return f"{sign}{whole:,}{f'.{minor:0{decimals}}' if decimals else ''} {self.currency}"

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"{other.currency} is not {self.currency}")
        return other


def _whole(number: int) -> int:
    if type(number) is not int:  # a bool is an int, a float may look like one
        raise TypeError(f"not a whole number: {number!r}")
    return number
