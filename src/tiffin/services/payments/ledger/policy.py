"""Fees as data with versions: commission, courier pay, and when what was earned falls due.

An order keeps the version it was placed under by its `placed_at` alone (docs/decisions/0013).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from tiffin.primitives.money import EXPONENTS, Money
from tiffin.primitives.versions import Versions

WHOLE_BP = 10_000
"""Basis points: hundredths of a per cent."""

BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=WHOLE_BP)]


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fees of one currency."""

    commission_bp: BasisPoints = 2_000
    """Of the subtotal, from the restaurant."""
    courier_share_bp: BasisPoints = 8_000
    """Of the delivery fee, to the courier."""
    courier_minimum: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    """Minor units a delivery: a courier gets no less, whatever the customer paid for it."""
    after_sale_s: Annotated[int, msgspec.Meta(ge=0)] = 7 * 24 * 3600
    """What was earned falls due so long after the order was completed."""


class Fees(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fees of a version."""

    default: Terms = Terms()
    currencies: Mapping[str, Terms] = {}
    """In place of the default, by currency."""
    commission_bp: Mapping[str, BasisPoints] = {}
    """Restaurants with a commission of their own, by id."""

    def __post_init__(self) -> None:
        if unknown := self.currencies.keys() - EXPONENTS.keys():
            raise ValueError(f"unknown currencies: {', '.join(sorted(unknown))}")


class Policy(msgspec.Struct, frozen=True):
    """A version of the fees."""

    version: int
    begins_at: datetime
    fees: Fees

    def terms(self, currency: str) -> Terms:
        """What holds in a currency."""
        return self.fees.currencies.get(currency, self.fees.default)


Policies = Versions[Policy]


def commission_bp(policy: Policy, restaurant_id: str, currency: str) -> int:
    """The commission's share of a restaurant's subtotals."""
    of_restaurant = policy.fees.commission_bp.get(restaurant_id)
    return policy.terms(currency).commission_bp if of_restaurant is None else of_restaurant


def commission(policy: Policy, restaurant_id: str, subtotal: Money) -> tuple[Money, Money]:
    """A subtotal split into what the restaurant keeps and the commission. No minor unit is lost: what does
    not divide goes to the larger remainder, to the restaurant among equals."""
    share = commission_bp(policy, restaurant_id, subtotal.currency)
    kept, taken = subtotal.allocate([WHOLE_BP - share, share])
    return kept, taken


def courier_pay(policy: Policy, delivery_fee: Money) -> Money:
    """What a delivery pays: a share of the fee, rounded in the courier's favour, or the minimum."""
    terms = policy.terms(delivery_fee.currency)
    share, _ = delivery_fee.allocate([terms.courier_share_bp, WHOLE_BP - terms.courier_share_bp])
    return Money(max(share.amount, terms.courier_minimum), delivery_fee.currency)
