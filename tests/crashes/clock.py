"""A clock that several processes share, and any of them sets."""

import mmap
from datetime import UTC, datetime, timedelta
from pathlib import Path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BYTES = 8


class SharedClock:
    """Stands still until somebody lets time pass. A file of microseconds."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _BYTES)

    @classmethod
    def make(cls, path: Path, now: datetime) -> "SharedClock":
        """A new one, standing at `now`."""
        path.write_bytes(bytes(_BYTES))
        clock = cls(path)
        clock._set((now - _EPOCH) // timedelta(microseconds=1))
        return clock

    def __call__(self) -> datetime:
        return _EPOCH + timedelta(microseconds=int.from_bytes(self._memory[:], "little"))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._set(int.from_bytes(self._memory[:], "little") + round(seconds * 1_000_000))

    def _set(self, microseconds: int) -> None:
        self._memory[:] = microseconds.to_bytes(_BYTES, "little")
