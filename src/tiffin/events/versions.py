"""Gaps and repeats, seen by the versions that events carry."""

from collections.abc import Iterable
from typing import NamedTuple

from tiffin.events.dead_letters import Key, key_of
from tiffin.events.event import Event

KEYS_MAX = 100_000
"""Of so many keys the versions are remembered for sure, of twice as many at most."""
MISSING_MAX = 100
"""Of one key; a wider gap is counted in full and remembered in part."""


class Seen(NamedTuple):
    """What the versions of some events say, against all that came before."""

    missing: int = 0
    """Versions that were left out. They may come yet."""
    late: int = 0
    """Of those that had been left out before."""
    repeated: int = 0


class Versions:
    """What has come of each key. The first that comes of a key is taken as it is."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._last: dict[Key, int] = {}
        self._older: dict[Key, int] = {}
        self._missing: dict[Key, set[int]] = {}

    def see(self, events: Iterable[Event]) -> Seen:
        """Take note of these."""
        missing = late = repeated = 0
        for event in events:
            key, version = key_of(event), event.version
            last = self._last.get(key) or self._older.get(key)
            if last is None or version > last:
                self._last[key] = version
                if last is not None and version > last + 1:
                    missing += version - last - 1
                    left_out = range(last + 1, min(version, last + 1 + MISSING_MAX))
                    self._missing.setdefault(key, set()).update(left_out)
            elif version in (left_out := self._missing.get(key, set[int]())):
                late += 1
                left_out.remove(version)
                if not left_out:
                    del self._missing[key]
            else:
                repeated += 1
        if len(self._last) >= self._keys_max:
            self._older, self._last = self._last, {}
            self._missing = {key: left_out for key, left_out in self._missing.items() if key in self._older}
        return Seen(missing, late, repeated)
