"""An order's money piece by piece: every portion and every fee, with what each party has in it.

Discounts and the commission are split over the pieces once, the same way every time: whatever portions are
given back one by one, together they are the whole, to the minor unit.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tiffin.primitives.money import Money
from tiffin.services.reverse.policy import WHOLE_BP


class Sold(NamedTuple):
    """What was agreed about an order, and who has to do with it."""

    order_id: int
    customer_id: str
    restaurant_id: str
    courier_id: str | None
    state: str
    currency: str
    lines: tuple[tuple[int, int], ...]
    """Quantity and total of each line."""
    delivery_fee: int
    small_order_fee: int
    total: int
    discounts: tuple[tuple[str, int], ...]
    """By programme."""
    paid: int
    """By the customer so far: all or nothing."""
    is_cash: bool
    commission_bp: int
    courier_pay: int
    """What the delivery earns its courier."""


class Piece(NamedTuple):
    """A portion, or a fee."""

    line: int | None
    """None: a fee."""
    unit: int
    """Which portion of the line; of fees 0 is the delivery, 1 what a small basket costs more."""
    gross: int
    paid: int
    """By the customer; the programmes gave the rest."""
    subsidies: tuple[int, ...]
    """In the order of `Sold.discounts`."""
    commission: int


DELIVERY, SMALL_ORDER = 0, 1


def spread(amount: int, weights: Sequence[int]) -> list[int]:
    """In proportion to the weights, nothing lost; all zero if nobody weighs anything."""
    # minor units split the same way in whichever currency
    if not any(weights):
        return [0] * len(weights)
    return [share.amount for share in Money(amount, "EUR").allocate(weights)]


def commission_of(sold: Sold, gross: int) -> int:
    """As the ledger takes it."""
    return spread(gross, [WHOLE_BP - sold.commission_bp, sold.commission_bp])[1]


def pieces_of(sold: Sold) -> list[Piece]:
    """Every piece. `ValueError` if the order's own sums do not add up."""
    names = [
        (place, unit, gross)
        for place, (quantity, total) in enumerate(sold.lines)
        for unit, gross in enumerate(spread(total, [1] * quantity))
    ]
    goods = [gross for _, _, gross in names]
    grosses = [*goods, sold.delivery_fee, sold.small_order_fee]
    left = list(grosses)
    given: list[list[int]] = []
    for _, amount in sold.discounts:
        given.append(spread(amount, left))
        left = [before - share for before, share in zip(left, given[-1], strict=True)]
    if sum(left) != sold.total or min(left) < 0:
        raise ValueError(f"order {sold.order_id} does not add up")
    commissions = [*spread(commission_of(sold, sum(goods)), goods), 0, 0]
    fees: list[tuple[int | None, int]] = [(None, DELIVERY), (None, SMALL_ORDER)]
    places = [*((line, unit) for line, unit, _ in names), *fees]
    return [
        Piece(*at, grosses[n], left[n], tuple(shares[n] for shares in given), commissions[n])
        for n, at in enumerate(places)
    ]
