"""What the auditor says of an order's cases, each thing spoilt once."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tiffin.audit.cases import OrderOfCases, order_faults
from tiffin.services.payments.ledger.entry import Entry, Posting
from tiffin.services.reverse.case import Case, Details, encode_details
from tiffin.services.reverse.outcome import Outcome

NOW = datetime(2026, 6, 1, tzinfo=UTC)
POSTINGS = (("customer:ana", 300), ("restaurant:roma", -300))


def case(state: Any = "refunded", released: bool = False, back_to: Any = "payment") -> Case:
    details = Details(outcome=Outcome(300, back_to, False, 300, POSTINGS), policy=1)
    return Case(
        shard=0, id="1048576-a", order_id=1 << 20, customer_id="ana", restaurant_id="roma", kind="quality",
        state=state, version=3, opener="customer", opener_id="ana", idempotency_key="k", request_hash=b"",
        currency="EUR", claimed=300, released=released, opened_at=NOW, updated_at=NOW, due_at=None,
        reason=None, details=encode_details(details),
    )  # fmt: skip


def entry(fact: str, *postings: tuple[str, int]) -> Entry:
    return Entry(0, "1048576", fact, "EUR", tuple(Posting(*posting) for posting in postings), NOW, "t")


def order(**changes: Any) -> OrderOfCases:
    entries = [
        entry("captured:p", ("provider:clearing:x", -1000), ("customer:ana", 1000)),
        entry("completed", ("customer:ana", -1000), ("restaurant:roma", 1000)),
        entry("case:1048576-a", *POSTINGS),
        entry("refunded:p", ("customer:ana", -300), ("provider:clearing:x", 300)),
    ]
    fields: dict[str, Any] = {
        "state": "completed", "customer_id": "ana", "claimed": 300, "paid": 1000, "cases": [case()],
        "entries": {each.fact: each for each in entries},
    }  # fmt: skip
    return OrderOfCases(**{**fields, **changes})


def without(fact: str) -> dict[str, Entry]:
    return {name: each for name, each in order().entries.items() if name != fact}


def test_an_order_whose_cases_did_what_they_said_is_clean() -> None:
    assert order_faults(order()) == []
    to_balance = entry("refunded:p", ("customer:ana", -300), ("provider:clearing:balance", 300))
    credited = order(
        cases=[case(back_to="balance")], entries={**without("refunded:p"), "refunded:p": to_balance}
    )
    assert order_faults(credited) == []


SPOILT: dict[str, tuple[OrderOfCases, str]] = {
    "more claimed than noted": (order(claimed=299), "is noted"),
    "more claimed than paid": (order(paid=299), "is noted"),
    "no entry": (order(entries=without("case:1048576-a")), "has no entry"),
    "another entry": (
        order(entries=order().entries | {
            "case:1048576-a": entry("case:1048576-a", ("customer:ana", 300), ("platform:cost:x", -300))
        }),
        "other than it said",
    ),
    "an entry of a case that came to nothing": (
        order(claimed=0, cases=[case("withdrawn", released=True)]), "is withdrawn and has an entry",
    ),
    "an entry before its time": (order(cases=[case("requested")]), "is requested and has an entry"),
    "the money never went back": (order(entries=without("refunded:p")), "leaves 300 with its customer"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_the_auditor_finds(what: str) -> None:
    spoilt, said = SPOILT[what]
    (fault,) = order_faults(spoilt)
    assert said in fault


def test_what_is_under_way_is_not_judged_yet() -> None:
    assert order_faults(replace(order(entries=without("refunded:p")), is_moving=True)) == []
