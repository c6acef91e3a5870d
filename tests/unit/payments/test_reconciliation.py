"""Every way in which our record, the ledger and the provider's statement can differ, with its fix."""

from itertools import product
from typing import get_args

import pytest

from tiffin.services.payments.ledger.reconciliation import (
    WHAT_TO_DO,
    Entered,
    Fix,
    Kind,
    Line,
    Ours,
    match,
    reconcile,
)
from tiffin.services.payments.states import State

CHARGE, REFUND = Line("charge", 1200, "EUR"), Line("refund", -1200, "EUR")
STATES = (*get_args(State), "refunding", "refunded")
NOTHING, TAKEN, BACK = Entered(), Entered(1200), Entered(1200, 1200)


def ours(state: str) -> Ours:
    refunding, refunded = {"refunding": (1200, 0), "refunded": (0, 1200)}.get(state, (0, 0))
    return Ours(1200, "EUR", state, refunding, refunded)


AGREE = [
    # our state, what the ledger has, what the provider has
    ("pending", NOTHING, []),
    ("authorised", NOTHING, []),
    ("capturing", NOTHING, []),
    ("voiding", NOTHING, []),
    ("voided", NOTHING, []),
    ("declined", NOTHING, []),
    ("declined", NOTHING, [CHARGE, REFUND]),  # given up, charged after all, given back
    ("succeeded", TAKEN, [CHARGE]),
    ("refunded", BACK, [CHARGE, REFUND]),
]

DIFFER = [
    # our state (None: no such payment), the ledger, the provider, kind and fix of each difference
    (None, NOTHING, [CHARGE], [("missing_here", "refund_at_the_provider")]),
    (None, NOTHING, [CHARGE, REFUND], []),
    (None, TAKEN, [], [("entered_too_much", "undo_the_entry")]),
    ("pending", NOTHING, [CHARGE], [("status_differs", "ask_the_provider")]),
    ("pending", NOTHING, [CHARGE, REFUND], [("status_differs", "ask_a_person")]),
    ("pending", TAKEN, [], [("entered_too_much", "undo_the_entry")]),
    ("declined", NOTHING, [CHARGE], [("status_differs", "ask_the_provider")]),
    ("authorised", NOTHING, [CHARGE], [("status_differs", "ask_the_provider")]),
    ("voided", NOTHING, [CHARGE], [("status_differs", "ask_the_provider")]),
    ("declined", TAKEN, [], [("entered_too_much", "undo_the_entry")]),
    ("succeeded", NOTHING, [CHARGE], [("not_entered", "enter_again")]),
    ("succeeded", TAKEN, [], [("missing_there", "ask_the_provider")]),
    ("succeeded", BACK, [CHARGE], [("entered_too_much", "undo_the_entry")]),
    ("succeeded", TAKEN, [CHARGE, REFUND], [("status_differs", "ask_a_person")]),
    ("succeeded", Entered(2400), [CHARGE], [("entered_too_much", "undo_the_entry")]),
    ("succeeded", TAKEN, [CHARGE, CHARGE], [("duplicate", "refund_at_the_provider")]),
    ("succeeded", TAKEN, [Line("charge", 1201, "EUR")], [("amount_differs", "ask_a_person")]),
    ("succeeded", TAKEN, [Line("charge", 1200, "USD")], [("amount_differs", "ask_a_person")]),
    ("refunding", TAKEN, [], [("missing_there", "ask_the_provider")]),
    ("refunding", TAKEN, [CHARGE], [("status_differs", "refund_at_the_provider")]),
    ("refunding", TAKEN, [CHARGE, REFUND], [("status_differs", "ask_the_provider")]),
    ("refunded", BACK, [CHARGE], [("status_differs", "refund_at_the_provider")]),
    ("refunded", BACK, [], [("missing_there", "ask_a_person")]),
    ("refunded", TAKEN, [CHARGE, REFUND], [("not_entered", "enter_again")]),
    ("refunded", NOTHING, [CHARGE, REFUND], [("not_entered", "enter_again")] * 2),
    ("refunded", BACK, [CHARGE, REFUND, REFUND], [("duplicate", "ask_a_person")]),
    ("refunded", BACK, [REFUND], [("missing_there", "ask_a_person")]),
    (
        "refunded",
        BACK,
        [CHARGE, Line("refund", -1100, "EUR")],
        [("status_differs", "refund_at_the_provider")],
    ),
    ("refunded", BACK, [CHARGE, Line("refund", -1200, "USD")], [("amount_differs", "ask_a_person")]),
]


@pytest.mark.parametrize(("state", "entered", "lines"), AGREE)
def test_books_that_agree_are_left_alone(state: str, entered: Entered, lines: list[Line]) -> None:
    assert match("p", ours(state), entered, lines) == []


@pytest.mark.parametrize(("state", "entered", "lines", "wanted"), DIFFER)
def test_each_difference_has_its_fix(
    state: str | None, entered: Entered, lines: list[Line], wanted: list[tuple[Kind, Fix]]
) -> None:
    found = match("p", ours(state) if state else None, entered, lines)
    assert [(each.kind, each.fix) for each in found] == wanted


HALF, REST = Line("refund", -500, "EUR"), Line("refund", -700, "EUR")


@pytest.mark.parametrize(
    ("refunding", "refunded", "lines", "fixes"),
    [
        (0, 500, [CHARGE, HALF], []),
        (0, 1200, [CHARGE, HALF, REST], []),
        (700, 500, [CHARGE, HALF], ["refund_at_the_provider"]),
        (700, 500, [CHARGE, HALF, REST], ["ask_the_provider"]),
        (0, 500, [CHARGE], ["refund_at_the_provider"]),
        (0, 500, [CHARGE, HALF, HALF], ["ask_a_person"]),
    ],
)
def test_partial_refunds_are_compared_by_their_sums(
    refunding: int, refunded: int, lines: list[Line], fixes: list[Fix]
) -> None:
    payment = Ours(1200, "EUR", "refunding" if refunding else "succeeded", refunding, refunded)
    assert [each.fix for each in match("p", payment, Entered(1200, refunded), lines)] == fixes


def test_every_kind_and_every_fix_is_in_the_table() -> None:
    found = {pair for *_, pairs in DIFFER for pair in pairs}
    assert {kind for kind, _ in found} == set(get_args(Kind))
    assert {fix for _, fix in found} == set(get_args(Fix)) == WHAT_TO_DO.keys()


def test_whatever_the_three_books_say_only_what_the_table_of_agreement_has_passes() -> None:
    charges = ([], [CHARGE], [CHARGE, REFUND], [REFUND], [CHARGE, CHARGE])
    agreeing = [
        (state, entered, lines)
        for state, entered, lines in product(STATES, (NOTHING, TAKEN, BACK), charges)
        if not match("p", ours(state), entered, lines)
    ]
    assert sorted(agreeing) == sorted(AGREE)


def test_without_a_statement_only_the_ledger_is_compared() -> None:
    assert match("p", ours("succeeded"), TAKEN, None) == []
    assert [each.kind for each in match("p", ours("succeeded"), None, None)] == ["not_entered"]


def test_payments_of_which_only_one_book_knows_are_found() -> None:
    found = reconcile({"a": ours("succeeded")}, {"b": TAKEN}, {"c": [CHARGE]})
    assert [(each.payment_id, each.kind) for each in found] == [
        ("a", "not_entered"), ("a", "missing_there"), ("b", "entered_too_much"), ("c", "missing_here"),
    ]  # fmt: skip


def test_a_statement_says_nothing_of_what_others_have_moved() -> None:
    elsewhere = ours("succeeded")._replace(provider="stripe")
    by_balance = ours("succeeded")._replace(provider="balance", method="balance")
    both, entered = {"a": elsewhere, "b": by_balance}, {"a": TAKEN, "b": TAKEN}
    assert reconcile(both, entered, {}) == []
    assert [each.kind for each in reconcile(both, entered, {}, "stripe")] == ["missing_there"]


def test_what_went_to_the_balance_never_left_the_provider() -> None:
    partly = Ours(1200, "EUR", "succeeded", 0, 700, to_balance=500)
    back = Line("refund", -200, "EUR")
    assert match("p", partly, Entered(1200, 700), [CHARGE, back]) == []
    (found,) = match("p", partly, Entered(1200, 700), [CHARGE])
    assert found.fix == "refund_at_the_provider"


def test_cash_is_in_the_ledger_by_its_delivery_and_its_refunds_only() -> None:
    cash = Ours(1200, "EUR", "succeeded", 0, 300, method="cash", to_balance=300, provider="cash")
    assert reconcile({"p": cash}, {"p": Entered(0, 300)}, {}) == []
    (found,) = reconcile({"p": cash}, {"p": NOTHING}, {})
    assert found.kind == "not_entered"
