"""The sandbox's memory: charges by key, kept in a file that is only ever appended to."""

import os
from pathlib import Path
from typing import Literal

import msgspec

State = Literal["pending", "authorised", "succeeded", "declined", "voided"]


class Refund(msgspec.Struct, frozen=True):
    """A refund as of its last change."""

    key: str
    reference: str
    amount: int
    state: Literal["pending", "succeeded", "failed"]
    failure: str | None = None
    decide_at: float | None = None


class Charge(msgspec.Struct, frozen=True):
    """A charge as of its last change."""

    key: str
    reference: str
    amount: int
    currency: str
    source: str
    webhook_url: str
    state: State
    created_at: float
    capture: bool = True
    """Whether it is taken at once."""
    decide_at: float | None = None
    """Unix seconds; when a pending charge is decided."""
    expires_at: float | None = None
    """Unix seconds; when an authorised charge is let go."""
    decline_reason: str | None = None
    refunds: tuple[Refund, ...] = ()

    @property
    def refunded(self) -> int:
        """What has been given back, or is being."""
        return sum(refund.amount for refund in self.refunds if refund.state != "failed")

    def refund(self, key: str) -> Refund | None:
        """The refund of a key."""
        return next((refund for refund in self.refunds if refund.key == key), None)


class Line(msgspec.Struct, frozen=True):
    """A line of the statement: money that moved. A refund's amount is negative."""

    kind: Literal["charge", "refund"]
    key: str
    """Of the charge."""
    reference: str
    amount: int
    currency: str
    refund_key: str | None = None


class Book:
    """Charges and the statement. Without a journal, forgotten when the process ends."""

    def __init__(self, journal: Path | None = None) -> None:
        self.charges: dict[str, Charge] = {}
        self.lines: list[Line] = []
        self._file: int | None = None
        if journal is not None:
            journal.parent.mkdir(parents=True, exist_ok=True)
            self._read(journal)
            self._file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def record(self, charge: Charge) -> None:
        """Keep a new charge, or a known one after a change. Once this returns, a killed process has not
        lost it; a power cut may."""
        if self._file is not None:
            os.write(self._file, msgspec.json.encode(charge) + b"\n")
        self._take(charge)

    def next_reference(self) -> str:
        """The sandbox's own name for the next new charge."""
        return f"ch_{len(self.charges) + 1:08}"

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _take(self, charge: Charge) -> None:
        before = self.charges.get(charge.key)
        self.charges[charge.key] = charge
        if charge.state == "succeeded" and (before is None or before.state != "succeeded"):
            self.lines.append(Line("charge", charge.key, charge.reference, charge.amount, charge.currency))
        for refund in charge.refunds:
            known = before and before.refund(refund.key)
            if refund.state == "succeeded" and not (known and known.state == "succeeded"):
                self.lines.append(
                    Line("refund", charge.key, refund.reference, -refund.amount, charge.currency, refund.key)
                )

    @classmethod
    def peek(cls, journal: Path) -> "Book":
        """What a journal says now, whoever is writing it; a line that is not whole does not count."""
        book = cls()
        book._take_whole_lines(journal.read_bytes() if journal.exists() else b"")
        return book

    def _read(self, journal: Path) -> None:
        """Take every whole line; cut off one that was being written when the process was killed."""
        if not journal.exists():
            return
        text = journal.read_bytes()
        whole = self._take_whole_lines(text)
        if whole < len(text):
            os.truncate(journal, whole)

    def _take_whole_lines(self, text: bytes) -> int:
        whole = text.rfind(b"\n") + 1
        decode = msgspec.json.Decoder(Charge).decode
        for line in text[:whole].splitlines():
            self._take(decode(line))
        return whole
