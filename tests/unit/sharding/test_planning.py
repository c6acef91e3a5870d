"""Which shards a move takes: those named, all of a node, or as few as make the nodes even."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.sharding.moving.move import MoveError
from tiffin.sharding.moving.planning import Leg, Place, balance, drain, parse, to_node
from tiffin.sharding.slots import DIMENSIONS, SHARDS

NODES = ["a", "b", "c"]
PLACES: list[Place] = [(dimension, shard) for dimension in DIMENSIONS for shard in range(SHARDS)]


def carried_out(holders: dict[Place, str], legs: list[Leg]) -> dict[Place, str]:
    after = dict(holders)
    for leg in legs:
        for dimension, shards in leg.shards.items():
            for shard in shards:
                assert after[dimension, shard] == leg.source != leg.target
                after[dimension, shard] = leg.target
    return after


def counts(holders: dict[Place, str], dimension: str) -> list[int]:
    return [sum(place[0] == dimension and at == node for place, at in holders.items()) for node in NODES]


@st.composite
def layouts(draw: st.DrawFn) -> dict[Place, str]:
    rng = draw(st.randoms(use_true_random=False))
    weights = [rng.random() ** 3 + 0.01 for _ in NODES]
    return {place: rng.choices(NODES, weights)[0] for place in PLACES}


def test_shards_are_named_one_by_one_and_in_ranges() -> None:
    assert parse(["restaurant/3-5", "customer/7", "customer/7"]) == [
        ("customer", 7), ("restaurant", 3), ("restaurant", 4), ("restaurant", 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "7", "customer", "customer/120", "customer/9-3", "courier/1", "customer/-1"]
)
def test_what_names_no_shards_is_refused(text: str) -> None:
    with pytest.raises(MoveError):
        parse([text])


@given(layouts())
def test_a_drained_node_has_nothing_and_the_others_get_it_evenly(holders: dict[Place, str]) -> None:
    after = carried_out(holders, drain(holders, "a", ["b", "c"]))
    for dimension in DIMENSIONS:
        had, has = counts(holders, dimension), counts(after, dimension)
        assert has[0] == 0
        assert abs(has[1] - has[2]) <= max(1, abs(had[1] - had[2]) - had[0])
    assert all(after[place] == at for place, at in holders.items() if at != "a")


@given(layouts())
def test_balancing_makes_nodes_even_with_as_few_shards_as_can_be(holders: dict[Place, str]) -> None:
    legs = balance(holders, NODES)
    after = carried_out(holders, legs)
    for dimension in DIMENSIONS:
        has = counts(after, dimension)
        assert max(has) - min(has) <= 1
        moved = sum(len(leg.shards[dimension]) for leg in legs)
        assert moved == sum(max(0, had - 40) for had in counts(holders, dimension))


def test_only_what_is_not_there_yet_goes_to_a_node() -> None:
    holders = dict.fromkeys(PLACES, "a") | {("customer", 1): "b", ("customer", 2): "c"}
    wanted: list[Place] = [("customer", 0), ("customer", 1), ("customer", 2)]
    assert to_node(holders, wanted, "b") == [
        Leg("a", "b", {"customer": [0], "restaurant": []}),
        Leg("c", "b", {"customer": [2], "restaurant": []}),
    ]


def test_the_only_node_cannot_be_drained() -> None:
    with pytest.raises(MoveError):
        drain(dict.fromkeys(PLACES, "a"), "a", [])
