"""The sandbox remembers through a kill at any point."""

from pathlib import Path

import msgspec
import pytest

from tiffin.services.payments.sandbox.book import Book, Charge

PENDING = Charge("k-1", "ch_1", 1250, "EUR", "tok_slow", "http://x", "pending", 1.0, decide_at=3.0)
CHARGED = msgspec.structs.replace(PENDING, state="succeeded")
REFUNDED = msgspec.structs.replace(CHARGED, state="refunded", refund_key="k-1:refund")


def test_the_statement_has_each_movement_once() -> None:
    book = Book()
    for charge in (PENDING, CHARGED, CHARGED, REFUNDED, REFUNDED):
        book.record(charge)
    assert [(line.kind, line.amount) for line in book.lines] == [("charge", 1250), ("refund", -1250)]


def test_a_decline_moves_nothing() -> None:
    book = Book()
    book.record(PENDING)
    book.record(msgspec.structs.replace(PENDING, state="declined"))
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
