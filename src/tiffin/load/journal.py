"""What the platform has acknowledged, written down at once: the yardstick of a durability test."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec


class Acknowledged(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One 2xx answer: the order of this key, or a case of it, was stored in this state at this version."""

    key: str
    order_id: str
    state: str
    version: int
    case_id: str | None = None


class Journal:
    """Appends acknowledgements to a file, one JSON object a line, each handed to the system at once."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("ab", buffering=0)

    def write(self, entry: Acknowledged) -> None:
        self._file.write(msgspec.json.encode(entry) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_journal(path: Path) -> dict[str, Acknowledged]:
    """By order id, the newest acknowledgement of each order. A last line cut short is left out."""
    return newest(entry for entry in _entries(path) if entry.case_id is None)


def read_cases(path: Path) -> dict[str, Acknowledged]:
    """The same of cases, by case id."""
    return newest(entry for entry in _entries(path) if entry.case_id is not None)


def newest(entries: Iterable[Acknowledged]) -> dict[str, Acknowledged]:
    """By order id, or by case id of cases, the entry of the highest version."""
    found: dict[str, Acknowledged] = {}
    for entry in entries:
        about = entry.case_id or entry.order_id
        known = found.get(about)
        if known is None or entry.version >= known.version:
            found[about] = entry
    return found


def _entries(path: Path) -> Iterator[Acknowledged]:
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield msgspec.json.decode(line, type=Acknowledged)
