"""What goes to whom: random orders in currencies of 0, 2 and 3 decimals; no minor unit is lost."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger.entry import Posting, balanced
from tiffin.services.reverse.deciding import Asked, Decided, Facts, decide
from tiffin.services.reverse.kinds import RULES, Kind, Opener
from tiffin.services.reverse.outcome import Earlier, Outcome, give_back_pieces, shares_of
from tiffin.services.reverse.pieces import Sold, pieces_of
from tiffin.services.reverse.policy import WHOLE_BP, Bears, Policies, Policy, Terms
from unit.reverse.orders import ARRIVED, UNDERWAY, completed, sold_orders, subsidies

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
POLICY = Policy(1, NOW, Terms())
JUST_NOW = NOW - timedelta(seconds=30)
STATES: dict[Kind, tuple[str, ...]] = {
    **{kind: tuple(sorted(rule.states)) for kind, rule in RULES.items()},
    "free_cancel": ("preparing",),
    "cancel_later": ("preparing", "ready", "delivering"),
}


def facts(sold: Sold, earlier: tuple[Earlier, ...] = (), policy: Policy = POLICY) -> Facts:
    return Facts(sold, None, NOW, policy, earlier, 0)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Rules by which anybody may have to bear any part of anything."""
    bears: dict[Kind, Bears] = {}
    for kind in draw(st.sets(st.sampled_from(sorted(RULES)))):
        cuts = sorted(draw(st.lists(st.integers(0, WHOLE_BP), min_size=3, max_size=3)))
        bears[kind] = Bears(*(b - a for a, b in pairwise([0, *cuts, WHOLE_BP])))
    cooked = {state: draw(st.integers(0, WHOLE_BP)) for state in ("preparing", "ready", "delivering")}
    return Policy(1, NOW, Terms(bears=bears, cooked_bp=cooked))


@st.composite
def asks(draw: st.DrawFn, sold: Sold, kind: Kind) -> tuple[Asked, Opener]:
    """A request of a kind that makes sense of an order, and who makes it."""
    rule = RULES[kind]
    opener = draw(st.sampled_from(sorted({*rule.openers, "operator"})))
    how = draw(st.sampled_from(rule.scopes))
    lines: tuple[tuple[int, int], ...] = ()
    amount, liable = None, None
    if how == "lines":
        wanted = draw(st.sets(st.integers(0, len(sold.lines) - 1), min_size=1))
        lines = tuple((line, draw(st.integers(1, sold.lines[line][0]))) for line in sorted(wanted))
    elif how == "amount":
        amount = c.Money(amount=draw(st.integers(1, max(1, sold.paid))), currency=sold.currency)
    if kind == "operator_decision":
        liable = draw(st.sampled_from((None, "restaurant", "courier", "platform")))
    return Asked("cancel" if "cancel" in kind else kind, lines, amount, liable), opener


def attempt(asked: Asked, opener: Opener, known: Facts) -> Decided | None:
    try:
        return decide(asked, opener, known, NOW)
    except Refusal as refusal:
        assert refusal.code in ("nothing_left", "case_open", "case_not_possible", "forbidden")
        return None


@pytest.mark.parametrize("kind", RULES)
@settings(max_examples=50)
@given(data=st.data())
def test_of_every_kind_several_cases_of_an_order_balance_and_stay_within_what_was_paid(
    kind: Kind, data: st.DataObject
) -> None:
    sold, policy = data.draw(sold_orders(STATES[kind])), data.draw(policies())
    accepted_at = JUST_NOW if kind == "free_cancel" else None
    earlier: list[Earlier] = []
    for each in [kind, *data.draw(st.lists(st.sampled_from(sorted(RULES)), max_size=3))]:
        known = facts(sold, tuple(earlier), policy)._replace(accepted_at=accepted_at)
        decided = attempt(*data.draw(asks(sold, each)), known)
        if decided is None:
            continue
        assert earlier or each != kind or decided.kind == kind
        outcome = decided.outcome
        entry = balanced(sold.currency, [Posting(*posting) for posting in outcome.postings])
        assert entry == outcome.postings, "an entry of the ledger, as it stands"
        assert shares_of(outcome)["customer"] == outcome.refund >= 0
        earlier.append(Earlier(outcome, frozenset(decided.units)))
        assert sum(case.outcome.claims for case in earlier) <= sold.paid
        assert sum(case.outcome.refund for case in earlier) <= sold.paid
        check_books(sold, earlier)


def check_books(sold: Sold, earlier: list[Earlier]) -> None:
    """All books of the order together: the customer is even, and a courier never pays for working."""
    books: Counter[str] = Counter()
    called_off = any(case.outcome.ends_order for case in earlier)
    if not called_off and sold.state in ARRIVED:
        books.update(completed(sold))
    for case in earlier:
        books.update(dict(case.outcome.postings))
    customer = books["customer:ana"]
    refunds = sum(case.outcome.refund for case in earlier)
    if called_off or sold.state in ARRIVED:
        # paid in, refunds out: to the card, or to what the customer is owed
        assert sold.paid + customer - refunds == 0
    assert sum(books.values()) == 0
    assert books["platform:revenue:commission"] >= 0 or sold.state in UNDERWAY
    assert books["courier:leo"] >= 0 or sold.state in UNDERWAY
    if called_off:
        assert books["restaurant:roma"] >= 0
    for account, given_ in subsidies(sold).items():
        assert -given_ <= books[account] <= 0 or (sold.state in UNDERWAY and not called_off)


@given(st.data(), sold_orders(ARRIVED))
def test_portions_given_back_one_by_one_are_the_whole_order_to_the_minor_unit(
    data: st.DataObject, sold: Sold
) -> None:
    assume(sold.total)
    pieces = data.draw(st.permutations(pieces_of(sold)))
    earlier: list[Earlier] = []
    for piece in pieces:
        try:
            outcome = give_back_pieces(sold, [piece], Bears(restaurant=10_000), earlier)
        except Refusal:
            # the customer paid nothing for it: it goes with the next
            outcome = Outcome(0, "payment", False, 0, ())
        earlier.append(Earlier(outcome, frozenset({(piece.line, piece.unit)})))
    assert sum(case.outcome.refund for case in earlier) == sold.total


@given(sold_orders(ARRIVED))
def test_everything_given_back_at_the_restaurants_fault_undoes_its_share_and_the_commission(
    sold: Sold,
) -> None:
    assume(sold.total)
    pieces = pieces_of(sold)
    outcome = give_back_pieces(sold, pieces, Bears(restaurant=10_000), ())
    books = Counter(completed(sold))
    earned = books["restaurant:roma"]
    books.update(dict(outcome.postings))
    assert outcome.refund == sold.total
    assert books["platform:revenue:commission"] == 0
    fees = sold.delivery_fee + sold.small_order_fee
    assert books["restaurant:roma"] == -fees or not earned
    assert all(books[account] == 0 for account in subsidies(sold))


@given(sold_orders())
def test_pieces_are_the_order(sold: Sold) -> None:
    pieces = pieces_of(sold)
    assert sum(piece.paid for piece in pieces) == sold.total
    for place, (_, amount) in enumerate(sold.discounts):
        assert sum(piece.subsidies[place] for piece in pieces) == amount
    assert all(piece.paid + sum(piece.subsidies) == piece.gross and piece.paid >= 0 for piece in pieces)
    assert all(0 <= piece.commission <= piece.gross for piece in pieces)


@pytest.mark.parametrize("liable", [Bears(courier=10_000), Bears(restaurant=5_000, courier=5_000)])
@given(sold=sold_orders(ARRIVED))
def test_a_courier_bears_no_more_than_the_delivery_paid(liable: Bears, sold: Sold) -> None:
    assume(sold.total)
    outcome = give_back_pieces(sold, pieces_of(sold), liable, ())
    assert dict(outcome.postings).get("courier:leo", 0) >= -sold.courier_pay


def test_an_order_keeps_the_version_that_held_when_it_was_placed() -> None:
    first = Policy(1, NOW - timedelta(days=9), Terms())
    second = Policy(2, NOW, Terms(free_cancel_s=0))
    policies = Policies([second, first])
    assert policies.at(NOW - timedelta(microseconds=1)) is first
    assert policies.at(NOW) is policies.version(2) is second
    with pytest.raises(LookupError):
        policies.at(NOW - timedelta(days=10))


@pytest.mark.parametrize(
    ("seconds", "version", "kind"),
    [(60, 1, "free_cancel"), (61, 1, "cancel_later"), (1, 2, "cancel_later")],
)
def test_the_free_seconds_are_those_of_the_orders_version(seconds: int, version: int, kind: str) -> None:
    policy = Policy(version, NOW, Terms() if version == 1 else Terms(free_cancel_s=0))
    known = facts(SOUP)._replace(accepted_at=NOW, policy=policy)
    asked = Asked("cancel", (), None, None)
    assert decide(asked, "customer", known, NOW + timedelta(seconds=seconds)).kind == kind


def test_after_the_window_only_operators_open_cases() -> None:
    late = NOW + timedelta(days=7, seconds=1)
    asked = Asked("quality", ((0, 1),), None, None)
    known = facts(SOUP._replace(state="completed"))
    with pytest.raises(Refusal, match="window_over"):
        decide(asked, "customer", known, late)
    assert decide(asked, "customer", known, NOW + timedelta(days=7)).outcome.refund == 1000
    assert decide(asked, "operator", known, late).outcome.refund == 1000


SOUP = Sold(
    order_id=1 << 20, customer_id="ana", restaurant_id="roma", courier_id="leo", state="preparing",
    currency="EUR", lines=((2, 2000),), delivery_fee=300, small_order_fee=0, total=2300, discounts=(),
    paid=2300, is_cash=False, commission_bp=2000, courier_pay=240,
)  # fmt: skip
