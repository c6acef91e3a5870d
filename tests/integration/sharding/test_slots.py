"""The database computes the same slots as we do."""

import pytest

from tiffin.sharding.slots import SLOTS, slot_of
from tiffin.storage.node import Node


async def test_postgresql_agrees_on_every_slot(node: Node):
    if not await node.fetch("SELECT 1 FROM pg_proc WHERE proname = 'crc32'"):
        pytest.skip("crc32 is a function of PostgreSQL 18 and newer")
    keys = ["", "1", "123456789", "customer-ü", "顾客", *(f"restaurant:{number}" for number in range(1000))]
    rows = await node.fetch(
        "SELECT key, crc32(convert_to(key, 'UTF8')) % $2 AS slot FROM unnest($1::text[]) AS key", keys, SLOTS
    )
    assert {row["key"]: row["slot"] for row in rows} == {key: slot_of(key) for key in keys}
