"""A statement as CSV: exact, in every currency, and harmless to a spreadsheet."""

import csv
import io
from datetime import UTC, datetime

import pytest

from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger.settlements import party_of
from tiffin.services.payments.ledger.statements import Line, settlements_csv, statement_csv

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def settlement(party: str = "restaurant:olla", currency: str = "EUR") -> c.Settlement:
    return c.Settlement(
        id=f"{party}:{currency}:run", party=party, amount=c.Money(amount=5, currency=currency), lines=2,
        cutoff="2026-06-01T00:00:00.000Z", made_at="2026-06-01T00:00:01.000Z",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("currency", "texts"),
    [
        ("JPY", ["1234", "-1229", "5"]),
        ("EUR", ["12.34", "-12.29", "0.05"]),
        ("BHD", ["1.234", "-1.229", "0.005"]),
    ],
)  # fmt: skip
def test_amounts_are_told_in_the_currencys_own_decimals(currency: str, texts: list[str]) -> None:
    lines = [Line("1", "completed", 1234, AT), Line("1", "case:1", -1229, AT)]
    rows = list(csv.DictReader(io.StringIO(statement_csv(settlement(currency=currency), lines))))
    assert [row["amount"] for row in rows] == texts
    assert [int(row["amount_minor"]) for row in rows] == [1234, -1229, 5]


@pytest.mark.parametrize("fact", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_cell_is_a_formula(fact: str) -> None:
    rows = list(csv.DictReader(io.StringIO(statement_csv(settlement(), [Line("1", fact, 5, AT)]))))
    assert rows[0]["fact"] == f"'{fact}"


def test_a_list_of_settlements_tells_which_were_paid_and_by_which_name() -> None:
    open_, paid = settlement(), settlement("courier:leo", "JPY")
    paid.paid_at, paid.reference = "2026-06-02T00:00:00.000Z", "=wire"
    rows = list(csv.DictReader(io.StringIO(settlements_csv([open_, paid]))))
    assert [(row["amount_minor"], row["amount"], row["currency"]) for row in rows] == [
        ("5", "0.05", "EUR"), ("5", "5", "JPY"),
    ]  # fmt: skip
    assert [(row["paid_at"], row["reference"]) for row in rows] == [("", ""), (paid.paid_at, "'=wire")]


def test_a_settlement_says_whose_it_is_even_where_ids_have_colons() -> None:
    assert party_of("restaurant:a:b:EUR:run") == "restaurant:a:b"
