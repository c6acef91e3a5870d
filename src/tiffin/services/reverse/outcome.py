"""What a case does: what goes to whom, and who bears it. Pure; what it says is what is carried out.

Two sorts. *Giving back*, of an order that has arrived or goes on: the order's own entry stands, the case's
entry moves the refund to the customer from those who bear it. *Calling off*, of an order under way, which
never gets an entry of its own: the case's entry is all that is earned of it, and the refund is the rest.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from tiffin.primitives.errors import Refusal
from tiffin.services.reverse.pieces import DELIVERY, Piece, Sold, commission_of, pieces_of, spread
from tiffin.services.reverse.policy import WHOLE_BP, Bears, Terms

BackTo = Literal["payment", "balance", "nowhere"]
Party = Literal["customer", "restaurant", "courier", "platform", "subsidy"]

COMMISSION = "platform:revenue:commission"
DELIVERY_FEES = "platform:revenue:delivery_fee"
COURIER_PAY = "platform:cost:courier_pay"
COMPENSATION = "platform:cost:compensation"
"""The ledger's accounts for the platform's own share."""


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What a case does. Amounts in minor units of the order's currency."""

    refund: int
    """To the customer."""
    back_to: BackTo
    ends_order: bool
    claims: int
    """What of the paid money no other case may have."""
    postings: tuple[tuple[str, int], ...]
    """The case's entry in the ledger, by account; sums to zero, empty if nothing moves but the refund."""


class Earlier(msgspec.Struct, frozen=True):
    """A case of the same order that counts: neither withdrawn nor closed without a refund."""

    outcome: Outcome
    units: frozenset[tuple[int | None, int]]


def room_of(sold: Sold, earlier: Sequence[Earlier]) -> int:
    """What of the paid money no case has claimed."""
    return sold.paid - sum(case.outcome.claims for case in earlier)


def give_back_pieces(
    sold: Sold, pieces: Sequence[Piece], bears: Bears, earlier: Sequence[Earlier]
) -> Outcome:
    """Portions or fees, at what was paid for them; what programmes gave for them goes back by fault."""
    refund = min(sum(piece.paid for piece in pieces), room_of(sold, earlier))
    subsidies = [sum(piece.subsidies[n] for piece in pieces) for n in range(len(sold.discounts))]
    return _give_back(sold, refund, subsidies, sum(piece.commission for piece in pieces), bears, earlier)


def give_back_amount(sold: Sold, amount: int, bears: Bears, earlier: Sequence[Earlier]) -> Outcome:
    """An amount, as a lower price afterwards."""
    if amount > room_of(sold, earlier):
        raise Refusal("nothing_left", "more than what is left of the order", {"left": room_of(sold, earlier)})
    return _give_back(sold, amount, [0] * len(sold.discounts), commission_of(sold, amount), bears, earlier)


def _give_back(
    sold: Sold, refund: int, subsidies: Sequence[int], commission: int, bears: Bears,
    earlier: Sequence[Earlier],
) -> Outcome:  # fmt: skip
    if refund <= 0:
        raise Refusal("nothing_left", "there is nothing left to give back")
    weights = [bears.restaurant, bears.courier, bears.platform + bears.customer]
    of_restaurant, of_courier, of_platform = spread(refund, weights)
    returned = [spread(amount, weights)[0] for amount in subsidies]
    kitchen = of_restaurant + sum(returned)
    taken = commission_of(sold, sum(total for _, total in sold.lines))
    still_taken = max(0, taken + _moved(COMMISSION, earlier))
    waived = min(spread(commission, weights)[0], kitchen, still_taken)
    borne, over = _of_courier(sold, of_courier, earlier)
    postings = [
        (f"customer:{sold.customer_id}", refund),
        *(
            (f"platform:subsidy:{programme}", amount)
            for (programme, _), amount in zip(sold.discounts, returned, strict=True)
        ),
        (f"restaurant:{sold.restaurant_id}", waived - kitchen),
        (COMMISSION, -waived),
        (f"courier:{sold.courier_id}", -borne),
        (COMPENSATION, -of_platform - over),
    ]
    back_to: BackTo = "balance" if sold.is_cash else "payment"
    return Outcome(refund, back_to, False, refund, _merged(postings))


def call_off(sold: Sold, bears: Bears, terms: Terms, earlier: Sequence[Earlier]) -> Outcome:
    """The whole order ends. What earlier cases moved is undone by the same entry: nothing was earned before.

    Of the goods the restaurant has earned what it has cooked, as far as it is not at fault; on the road the
    courier has earned their pay, unless at fault. Who is at fault pays that; a customer out of what they
    paid. Who has not paid yet owes nothing: the platform bears it.
    """
    pieces = pieces_of(sold)
    goods = [piece for piece in pieces if piece.line is not None]
    cooked = spread(sum(piece.gross for piece in goods), _shares(terms.cooked_bp.get(sold.state, 0)))[0]
    earned = cooked - spread(cooked, _shares(bears.restaurant))[0]
    of_customer, of_courier, of_platform = spread(earned, [bears.customer, bears.courier, bears.platform])
    available = sold.paid - sum(case.outcome.refund for case in earlier)
    parts = [
        sum(piece.paid for piece in goods),
        *(sum(piece.subsidies[n] for piece in goods) for n in range(len(sold.discounts))),
    ]
    own, *given = spread(of_customer, parts)
    on_road = sold.state == "delivering"
    fee = 0
    if on_road:
        fee = spread(_fee_paid(pieces), _shares(bears.customer))[0]
    kept = min(own, available)
    kept_fee = min(fee, available - kept)
    borne, over = _of_courier(sold, of_courier, ())
    pay = sold.courier_pay if on_road and sold.courier_id and not bears.courier else 0
    commission = commission_of(sold, earned)
    postings = [
        *((account, -amount) for case in earlier for account, amount in case.outcome.postings),
        (f"customer:{sold.customer_id}", -kept - kept_fee),
        *(
            (f"platform:subsidy:{programme}", -amount)
            for (programme, _), amount in zip(sold.discounts, given, strict=True)
        ),
        (f"restaurant:{sold.restaurant_id}", earned - commission),
        (COMMISSION, commission),
        (f"courier:{sold.courier_id}", pay - borne),
        (COURIER_PAY, -pay),
        (DELIVERY_FEES, kept_fee),
        (COMPENSATION, -of_platform - over - (own - kept)),
    ]
    refund = available - kept - kept_fee
    back_to: BackTo = "payment" if refund else "nowhere"
    return Outcome(refund, back_to, True, room_of(sold, earlier), _merged(postings))


def shares_of(outcome: Outcome) -> dict[Party, int]:
    """What each party gets (below zero: bears). Of the customer it is the refund."""
    sums: defaultdict[Party, int] = defaultdict(int)
    sums["customer"] = outcome.refund
    for account, amount in outcome.postings:
        if not account.startswith("customer:"):
            sums[_party(account)] += amount
    return {party: amount for party, amount in sums.items() if amount or party == "customer"}


def _party(account: str) -> Party:
    if account.startswith("restaurant:"):
        return "restaurant"
    if account.startswith("courier:"):
        return "courier"
    return "subsidy" if account.startswith("platform:subsidy:") else "platform"


def _of_courier(sold: Sold, amount: int, earlier: Sequence[Earlier]) -> tuple[int, int]:
    """What a courier bears, never more than the delivery paid them, and what is over."""
    if sold.courier_id is None:
        return 0, amount
    borne = min(amount, max(0, sold.courier_pay + _moved(f"courier:{sold.courier_id}", earlier)))
    return borne, amount - borne


def _fee_paid(pieces: Iterable[Piece]) -> int:
    return sum(piece.paid for piece in pieces if piece.line is None and piece.unit == DELIVERY)


def _shares(share_bp: int) -> list[int]:
    return [share_bp, WHOLE_BP - share_bp]


def _moved(account: str, earlier: Iterable[Earlier]) -> int:
    return sum(amount for case in earlier for name, amount in case.outcome.postings if name == account)


def _merged(postings: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    sums: defaultdict[str, int] = defaultdict(int)
    for account, amount in postings:
        sums[account] += amount
    return tuple((account, amount) for account, amount in sums.items() if amount)
