"""Gaps and repeats are seen by the versions that events carry."""

from collections.abc import Iterable
from datetime import UTC, datetime
from random import Random

from tiffin.events.event import Event
from tiffin.events.versions import Seen, Versions

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def events(*ids: tuple[str, int]) -> Iterable[Event]:
    return [Event(0, 0, 0, "customer", 0, "order", key, version, "", "", NOON, "") for key, version in ids]


def test_what_comes_in_order_is_nothing_to_tell() -> None:
    versions = Versions()
    assert versions.see(events(("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3))) == Seen()


def test_the_first_that_is_heard_of_a_key_may_be_any() -> None:
    assert Versions().see(events(("a", 7), ("a", 8))) == Seen()


def test_a_gap_is_told_and_so_is_what_fills_it() -> None:
    versions = Versions()
    assert versions.see(events(("a", 1), ("a", 4))) == Seen(missing=2)
    assert versions.see(events(("a", 3))) == Seen(late=1)
    assert versions.see(events(("a", 3))) == Seen(repeated=1)
    assert versions.see(events(("a", 2), ("a", 5))) == Seen(late=1)


def test_a_repeat_is_told() -> None:
    versions = Versions()
    assert versions.see(events(("a", 1), ("a", 1), ("a", 2), ("a", 1))) == Seen(repeated=2)


def test_shuffled_and_repeated_the_sums_are_right() -> None:
    random = Random(1)
    ids = [(str(key), version) for key in range(50) for version in range(1, 21)] * 3
    random.shuffle(ids)
    versions, first = Versions(), {}
    for key, version in ids:
        first.setdefault(key, version)
    seen = versions.see(events(*ids))
    assert (
        seen.repeated + seen.late == 3 * 50 * 20 - 50 - sum(20 - first[key] for key in first) + seen.missing
    )
    assert seen.missing == seen.late


def test_only_so_many_keys_are_remembered_and_those_heard_of_last_are() -> None:
    versions = Versions(keys_max=10)
    for number in range(100):
        versions.see(events((str(number), 1)))
    assert versions.see(events(("99", 1), ("95", 1))) == Seen(repeated=2)
    assert versions.see(events(("1", 1))) == Seen()
