"""Versions hold from their beginning on, one after the other."""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from tiffin.primitives.versions import Versions


class Rule(NamedTuple):
    version: int
    begins_at: datetime


FIRST, SECOND = (Rule(n, datetime(2026, n, 1, tzinfo=UTC)) for n in (1, 2))


def test_a_version_holds_from_its_beginning_until_the_next_ones() -> None:
    versions = Versions([SECOND, FIRST])
    assert versions.at(FIRST.begins_at) == versions.at(datetime(2026, 1, 31, tzinfo=UTC)) == FIRST
    assert versions.at(SECOND.begins_at) == versions.at(datetime(2099, 1, 1, tzinfo=UTC)) == SECOND
    assert list(versions) == [FIRST, SECOND]
    assert versions.version(2) == SECOND
    with pytest.raises(LookupError):
        versions.at(datetime(2025, 12, 31, tzinfo=UTC))
    with pytest.raises(LookupError):
        versions.version(3)
