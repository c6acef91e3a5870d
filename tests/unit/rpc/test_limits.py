"""Shares: calls of one class begin in their order, and every role belongs to a class."""

import typing

import pytest

from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.limits import Gate, Share, class_of


def test_calls_begin_in_their_order_as_places_become_free():
    gate: Gate[str] = Gate(Share(2, 3))
    assert [gate.enter(name) for name in "abcde"] == [True, True, False, False, False]
    assert [gate.leave() for _ in range(5)] == ["c", "d", "e", None, None]
    assert (gate.running, gate.waiting) == (0, 0)


def test_who_finds_everything_taken_is_refused_at_once_and_costs_nothing():
    gate: Gate[str] = Gate(Share(1, 1))
    gate.enter("runs")
    gate.enter("waits")
    with pytest.raises(Unavailable) as caught:
        gate.enter("too many")
    assert (caught.value.code, caught.value.retry_after_ms > 0) == ("overloaded", True)
    assert (gate.running, gate.waiting) == (1, 1)


def test_who_was_sent_away_never_begins():
    gate: Gate[str] = Gate(Share(1, 5))
    for name in "abc":
        gate.enter(name)
    assert gate.send_away() == ["b", "c"]
    assert gate.leave() is None
    assert gate.running == 0


ROLES = typing.get_args(typing.get_type_hints(c.Caller)["role"])
CLASSES = {
    "customer": "customer", "visitor": "customer", "restaurant": "restaurant", "courier": "restaurant",
    "operator": "restaurant", "system": "background",
}  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_its_class(role: str):
    assert class_of(role) == CLASSES[role]
