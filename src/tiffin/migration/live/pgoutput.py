"""Which keys changed, by PostgreSQL's own replication plugin `pgoutput` (protocol version 1).

Only as much is read as that takes: which column the key is, what it was and is. Values are left where they
are: who hears of a key asks for the row.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Changes:
    """Keys, each once, in the order in which they were first heard of, and how far they go."""

    keys: dict[str, None] = field(default_factory=dict[str, None])
    end_lsn: str | None = None
    """Behind the last commit; None: there was none."""


def read_changes(messages: Iterable[bytes], key_column: str) -> Changes:
    """Of these messages, whole transactions. `KeyError` if a change comes whose table was never described."""
    changes = Changes()
    positions: dict[int, int] = {}
    for message in messages:
        kind = message[:1]
        if kind == b"R":
            relation, names = _relation(message)
            positions[relation] = names.index(key_column)
        elif kind in (b"I", b"U", b"D"):
            (relation,) = struct.unpack_from("!I", message, 1)
            for key in _keys(message, positions[relation]):
                changes.keys.setdefault(key)
        elif kind == b"C":
            (end,) = struct.unpack_from("!Q", message, 10)
            changes.end_lsn = f"{end >> 32:X}/{end & 0xFFFFFFFF:X}"
    return changes


def _relation(message: bytes) -> tuple[int, list[str]]:
    """Its number and the names of its columns."""
    (relation,) = struct.unpack_from("!I", message, 1)
    offset = message.index(0, message.index(0, 5) + 1) + 2  # namespace, name, replica identity
    (count,) = struct.unpack_from("!H", message, offset)
    offset += 2
    names: list[str] = []
    for _ in range(count):
        end = message.index(0, offset + 1)
        names.append(message[offset + 1 : end].decode())
        offset = end + 1 + 8  # type, modifier
    return relation, names


def _keys(message: bytes, position: int) -> list[str]:
    """The key of every tuple in a change: the new one, and the old one where it is told (it has changed)."""
    found: list[str] = []
    offset = 5
    while offset < len(message):
        offset += 1  # K, O or N
        (count,) = struct.unpack_from("!H", message, offset)
        offset += 2
        for column in range(count):
            kind = message[offset : offset + 1]
            offset += 1
            if kind in (b"t", b"b"):
                (length,) = struct.unpack_from("!I", message, offset)
                offset += 4
                if column == position:
                    found.append(message[offset : offset + length].decode())
                offset += length
    return found
