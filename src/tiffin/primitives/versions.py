"""Versions of rules: each holds from its beginning until the next one's, and once begun never changes.

So whatever was made at a moment keeps the version it was made under, by that moment alone.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar


class Version(Protocol):
    """A version by its number, from 1."""

    @property
    def version(self) -> int: ...

    @property
    def begins_at(self) -> datetime: ...


Of = TypeVar("Of", bound=Version)


class Versions(Generic[Of]):
    """Every version there is."""

    def __init__(self, versions: Sequence[Of]) -> None:
        self._versions = sorted(versions, key=lambda each: each.begins_at)
        self._by_number = {each.version: each for each in versions}
        self._beginnings = [each.begins_at for each in self._versions]

    def __iter__(self) -> Iterator[Of]:
        """In the order in which they begin."""
        return iter(self._versions)

    def at(self, moment: datetime) -> Of:
        """The version that held then. `LookupError` if none had begun."""
        place = bisect_right(self._beginnings, moment)
        if not place:
            raise LookupError(f"no version held at {moment}")
        return self._versions[place - 1]

    def version(self, version: int) -> Of:
        """A version by its number. `LookupError` if there is none."""
        return self._by_number[version]
