"""Slots, shards and order ids: where a key lives, for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.sharding import order_id
from tiffin.sharding.slots import SHARDS, SLOTS, SLOTS_PER_SHARD, shard_of, slot_of

sequences = st.integers(1, order_id.SEQUENCE_MAX)
slots = st.integers(0, SLOTS - 1)


@pytest.mark.parametrize(
    ("key", "slot"),
    [  # crc32 modulo 960; 3421780262 is the algorithm's published check value
        ("", 0),
        ("123456789", 3421780262 % 960),
        ("1", 2212294583 % 960),
        ("?", 1684325040 % 960),
        ("customer-ü", 402682184 % 960),
    ],
)
def test_slots_never_change(key: str, slot: int):
    assert slot_of(key) == slot


def test_slots_divide_evenly_into_every_number_of_shards_the_platform_may_grow_to():
    assert [SLOTS % count for count in (120, 240, 480, 960)] == [0, 0, 0, 0]
    assert (SHARDS, SLOTS_PER_SHARD) == (120, 8)


@given(st.text())
def test_every_key_has_a_shard(key: str):
    assert 0 <= shard_of(key) < SHARDS
    assert shard_of(key) == slot_of(key) // 8


@given(sequences, slots, slots)
def test_both_shards_come_out_of_the_id_alone(sequence: int, customer_slot: int, restaurant_slot: int):
    made = order_id.make(sequence, customer_slot, restaurant_slot)
    assert order_id.customer_shard(made) == customer_slot // 8
    assert order_id.restaurant_shard(made) == restaurant_slot // 8
    assert made >> 20 == sequence
    assert order_id.is_valid(made)


@given(sequences, slots, slots)
def test_an_id_is_positive_and_fits_63_bits(sequence: int, customer_slot: int, restaurant_slot: int):
    assert 0 < order_id.make(sequence, customer_slot, restaurant_slot) < 1 << 63


def test_every_slot_of_either_dimension_survives_the_round_trip():
    for slot in range(SLOTS):
        assert order_id.customer_shard(order_id.make(1, slot, 959)) == slot // 8
        assert order_id.restaurant_shard(order_id.make(1, 959, slot)) == slot // 8


@given(sequences, sequences, slots, slots, slots, slots)
def test_a_later_number_makes_a_greater_id_wherever_it_goes(a, b, slot_a, slot_b, other_a, other_b):
    if a < b:
        assert order_id.make(a, slot_a, other_a) < order_id.make(b, slot_b, other_b)


@pytest.mark.parametrize(
    "parts",
    [(0, 0, 0), (-1, 0, 0), (1 << 43, 0, 0), (1, 960, 0), (1, 0, 960), (1, -1, 0), (1, 0, -1)],
)
def test_an_id_that_would_not_route_is_not_made(parts: tuple[int, int, int]):
    with pytest.raises(ValueError, match="no order id"):
        order_id.make(*parts)


@pytest.mark.parametrize(
    "number",
    [
        0,
        -1,
        1,
        (1 << 20) - 1,
        1 << 63,
        1 << 70,
        -(1 << 62),
        1 << 20 | 960 << 10,
        1 << 20 | 960,
        1 << 20 | 1023,
    ],
)
def test_numbers_that_cannot_be_ids_are_known_as_such(number: int):
    assert not order_id.is_valid(number)


@given(st.integers())
def test_what_is_valid_can_be_taken_apart_and_made_again(number: int):
    if order_id.is_valid(number):
        assert order_id.make(number >> 20, number >> 10 & 1023, number & 1023) == number
