"""The sandbox remembers through a kill at any point."""

from pathlib import Path

import msgspec
import pytest

from tiffin.services.payments.sandbox.book import Book, Charge, Refund

PENDING = Charge("k-1", "ch_1", 1250, "EUR", "tok_slow", "http://x", "pending", 1.0, decide_at=3.0)
CHARGED = msgspec.structs.replace(PENDING, state="succeeded")
AUTHORISED = msgspec.structs.replace(PENDING, state="authorised", capture=False, expires_at=9.0)
HALF = msgspec.structs.replace(CHARGED, refunds=(Refund("a", "re_1", 1000, "succeeded"),))
REFUNDED = msgspec.structs.replace(
    CHARGED, refunds=(*HALF.refunds, Refund("b", "re_2", 9, "failed"), Refund("c", "re_3", 250, "succeeded"))
)


def test_the_statement_has_each_movement_once() -> None:
    book = Book()
    for charge in (PENDING, AUTHORISED, CHARGED, CHARGED, HALF, REFUNDED, REFUNDED):
        book.record(charge)
    assert [(line.kind, line.amount, line.refund_key) for line in book.lines] == [
        ("charge", 1250, None), ("refund", -1000, "a"), ("refund", -250, "c"),
    ]  # fmt: skip


def test_a_decline_moves_nothing() -> None:
    book = Book()
    book.record(PENDING)
    book.record(msgspec.structs.replace(PENDING, state="declined"))
    book.record(msgspec.structs.replace(AUTHORISED, key="k-2"))
    book.record(msgspec.structs.replace(AUTHORISED, key="k-2", state="voided"))
    assert book.lines == []


def test_another_book_over_the_same_journal_remembers_everything(tmp_path: Path) -> None:
    journal = tmp_path / "deep" / "journal"
    first = Book(journal)
    for charge in (PENDING, CHARGED, REFUNDED, msgspec.structs.replace(PENDING, key="k-2")):
        first.record(charge)
    again = Book(journal)
    assert (again.charges, again.lines) == (first.charges, first.lines)
    assert again.next_reference() == first.next_reference()


@pytest.mark.parametrize("torn", [1, 10, 60])
def test_a_line_torn_by_a_kill_is_cut_off_and_the_next_is_whole(tmp_path: Path, torn: int) -> None:
    journal = tmp_path / "journal"
    first = Book(journal)
    first.record(PENDING)
    first.record(CHARGED)
    first.close()
    journal.write_bytes(journal.read_bytes()[:-torn])
    second = Book(journal)
    assert second.charges == {"k-1": PENDING}
    second.record(REFUNDED)
    assert Book(journal).charges == {"k-1": REFUNDED}
