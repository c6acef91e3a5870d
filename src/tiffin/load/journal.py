"""What the platform has acknowledged, written down at once: the yardstick of a durability test."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec


class Acknowledged(msgspec.Struct, frozen=True, gc=False):
    """One 2xx answer: the order of this key was stored, in this state at this version."""

    key: str
    order_id: str
    state: str
    version: int


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
    with path.open("rb") as lines:
        return newest(msgspec.json.decode(line, type=Acknowledged) for line in lines if line.endswith(b"\n"))


def newest(entries: Iterable[Acknowledged]) -> dict[str, Acknowledged]:
    """By order id, the entry of the highest version."""
    found: dict[str, Acknowledged] = {}
    for entry in entries:
        known = found.get(entry.order_id)
        if known is None or entry.version >= known.version:
            found[entry.order_id] = entry
    return found
