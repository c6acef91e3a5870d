"""The roll of the platform's processes: who runs, where, since when. Kept by the supervisor, read by `ps`."""

from pathlib import Path

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One process. Without `pid` it is not running."""

    service: str
    address: str
    pid: int | None = None
    started: float | None = None
    """Seconds since the epoch."""
    restarts: int | None = None
    """None: nobody counts."""


def _file(data_directory: Path) -> Path:
    return data_directory / "processes.json"


def write_roll(data_directory: Path, entries: list[Entry]) -> None:
    """Replace the roll, whole."""
    file = _file(data_directory)
    unfinished = file.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.encode(entries))
    unfinished.rename(file)


def read_roll(data_directory: Path) -> list[Entry]:
    """The last roll that was written; empty if none was."""
    try:
        return msgspec.json.decode(_file(data_directory).read_bytes(), type=list[Entry])
    except FileNotFoundError:
        return []
