"""Slots and shards: where a key lives, for ever."""

from typing import Literal
from zlib import crc32

Dimension = Literal["customer", "restaurant"]
DIMENSIONS: tuple[Dimension, ...] = ("customer", "restaurant")

SLOTS = 960
"""Divides evenly by 120, 240, 480 and 960: shards can be split while ids stay."""
SLOTS_PER_SHARD = 8
SHARDS = SLOTS // SLOTS_PER_SHARD


def slot_of(key: str) -> int:
    """The slot of a customer id or restaurant id. crc32, because every language and database has it."""
    return crc32(key.encode()) % SLOTS


def shard_of(key: str) -> int:
    """The shard of a customer id or restaurant id."""
    return slot_of(key) // SLOTS_PER_SHARD
