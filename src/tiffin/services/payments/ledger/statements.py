"""Statements and lists of settlements as CSV, for people and spreadsheets: amounts in whole minor units and
as text. Cells that a spreadsheet would take for a formula are quoted."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from tiffin.primitives.clock import to_text
from tiffin.primitives.money import Money
from tiffin.rpc import contracts as c

_AMOUNT = ("amount_minor", "currency", "amount")


class Line(NamedTuple):
    """A line of a statement."""

    subject: str
    fact: str
    amount: int
    at: datetime


def statement_csv(settlement: c.Settlement, lines: Sequence[Line]) -> str:
    """A settlement: a line a fact, the sum last."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("settlement", "party", "at", "order", "fact", *_AMOUNT))
    currency = settlement.amount.currency
    for line in lines:
        row = (settlement.id, settlement.party, to_text(line.at), line.subject, line.fact)
        writer.writerow((*map(_cell, row), *_amount(line.amount, currency)))
    total = sum(line.amount for line in lines)
    row = (settlement.id, settlement.party, settlement.made_at, "", "total")
    writer.writerow((*map(_cell, row), *_amount(total, currency)))
    return out.getvalue()


def settlements_csv(settlements: Sequence[c.Settlement]) -> str:
    """A party's settlements: a line each, with the payout where there has been one."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("settlement", "party", "made_at", "lines", "paid_at", "reference", *_AMOUNT))
    for each in settlements:
        row = (each.id, each.party, each.made_at, str(each.lines), each.paid_at or "", each.reference or "")
        writer.writerow((*map(_cell, row), *_amount(each.amount.amount, each.amount.currency)))
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _amount(amount: int, currency: str) -> tuple[int, str, str]:
    return amount, currency, Money(amount, currency).format().rpartition(" ")[0].replace(",", "")
