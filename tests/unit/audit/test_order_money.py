"""What the auditor says of an order's entries, each thing spoilt once."""

from datetime import UTC, datetime

import pytest

from tiffin.audit.order_money import MoneyOrder, is_by_call, order_faults
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger.entry import Entry, Posting
from tiffin.services.payments.ledger.policy import Fees, Policies, Policy
from tiffin.services.payments.ledger.reconciliation import Ours

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ID = "1048576"
POLICIES = Policies([Policy(1, NOW.replace(year=2020), Fees())])


def order(state: str, method: str = "online", cases: frozenset[str] = frozenset()) -> MoneyOrder:
    terms = c.OrderTerms(
        order_id=ID, customer_id="ana", restaurant_id="roma", subtotal=1000, delivery_fee=0, total=1000,
        currency="EUR", payment_method=method, placed_at="2026-06-01T00:00:00.000Z",
    )  # fmt: skip
    return MoneyOrder(terms, state, "leo", cases)


def entry(fact: str, *postings: tuple[str, int]) -> Entry:
    return Entry(0, ID, fact, "EUR", tuple(Posting(*posting) for posting in postings), NOW, "t")


CAPTURED = entry("captured:p", ("provider:clearing:x", -1000), ("customer:ana", 1000))
REFUNDED = entry("refunded:p", ("customer:ana", -1000), ("provider:clearing:x", 1000))
GIVEN_BACK = {"p": Ours(1000, "EUR", "refunded", 0, 1000)}
FOR_NOTHING = entry("goodwill", ("platform:cost:compensation", -50), ("customer:ana", 50))
OF_CASE = entry(f"case:{ID}-a", ("platform:cost:compensation", -50), ("customer:ana", 50))


def test_an_order_that_leaves_nothing_is_clean() -> None:
    assert order_faults(order("cancelled"), GIVEN_BACK, [CAPTURED, REFUNDED], POLICIES) == []


def test_what_was_entered_by_hand_is_left_where_it_was_put() -> None:
    assert order_faults(order("cancelled"), GIVEN_BACK, [CAPTURED, REFUNDED, FOR_NOTHING], POLICIES) == []


@pytest.mark.parametrize("beside", [[], [FOR_NOTHING]])
def test_what_is_left_with_a_customer_is_found_whatever_else_was_entered(beside: list[Entry]) -> None:
    partly = {"p": Ours(1000, "EUR", "refunded", 0, 900)}
    back = entry("refunded:p", ("customer:ana", -900), ("provider:clearing:x", 900))
    (fault,) = order_faults(order("cancelled"), partly, [CAPTURED, back, *beside], POLICIES)
    assert fault == "is cancelled, and 100 EUR are left with its customer"


def test_a_cases_entry_without_its_case_is_found() -> None:
    undone = entry(f"reversal:case:{ID}-a", ("platform:cost:compensation", 50), ("customer:ana", -50))
    faults = order_faults(order("cancelled"), {}, [OF_CASE, undone], POLICIES)
    assert faults == [
        f"has the entry {fact}, but there is no such case" for fact in (OF_CASE.fact, undone.fact)
    ]
    known = order("cancelled", cases=frozenset((f"{ID}-a",)))
    assert order_faults(known, {}, [OF_CASE, undone], POLICIES) == []


def test_cash_given_back_was_taken_by_its_courier() -> None:
    collected = entry("cash_collected", ("cash:leo", -1000), ("customer:ana", 1000))
    back = entry("refunded:p", ("customer:ana", -300), ("provider:clearing:balance", 300))
    credited = entry("credited:p", ("provider:clearing:balance", -300), ("credit:ana", 300))
    cash = {"p": Ours(1000, "EUR", "succeeded", 0, 300, "cash", 300)}
    found = order_faults(order("delivered", "cash"), cash, [collected, back, credited], POLICIES)
    assert found == []
    too_much = {"p": cash["p"]._replace(amount=299)}
    (fault,) = order_faults(order("delivered", "cash"), too_much, [collected, back, credited], POLICIES)
    assert "300 refunded of 299 captured" in fault


def test_by_hand_is_what_neither_an_event_nor_a_case_has_made() -> None:
    facts = ("captured:p", "completed", "case:1-a", "reversal:case:1-a", "goodwill", "reversal:goodwill")
    assert [fact for fact in facts if is_by_call(entry(fact))] == ["goodwill", "reversal:goodwill"]
