"""The order id is the address: `sequence << 20 | slot(customer) << 10 | slot(restaurant)`.

Positive and below 2^63. Either dimension's shard comes out of the id alone, with a shift and a mask.
"""

from tiffin.sharding.slots import SLOTS, SLOTS_PER_SHARD

SEQUENCE_MAX = (1 << 43) - 1
_SLOT_BITS = 10
_SLOT_MASK = (1 << _SLOT_BITS) - 1


def make(sequence: int, customer_slot: int, restaurant_slot: int) -> int:
    """An order id. `ValueError` if a part is out of range."""
    if not (0 < sequence <= SEQUENCE_MAX and 0 <= customer_slot < SLOTS and 0 <= restaurant_slot < SLOTS):
        raise ValueError(f"no order id from {sequence}, {customer_slot}, {restaurant_slot}")
    return sequence << 2 * _SLOT_BITS | customer_slot << _SLOT_BITS | restaurant_slot


def is_valid(order_id: int) -> bool:
    """Whether a number can be an order id at all: some numbers carry slots that do not exist."""
    return (
        0 < order_id >> 2 * _SLOT_BITS <= SEQUENCE_MAX
        and (order_id >> _SLOT_BITS & _SLOT_MASK) < SLOTS
        and (order_id & _SLOT_MASK) < SLOTS
    )


def customer_shard(order_id: int) -> int:
    """The shard that holds the truth about the order."""
    return (order_id >> _SLOT_BITS & _SLOT_MASK) // SLOTS_PER_SHARD


def restaurant_shard(order_id: int) -> int:
    """The shard that holds the restaurant's copy."""
    return (order_id & _SLOT_MASK) // SLOTS_PER_SHARD
