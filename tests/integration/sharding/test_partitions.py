"""Partitions: a node has those of its shards, made by anybody as often as they like."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from databases import partitions_of
from tiffin.sharding import partitions
from tiffin.sharding.partitions import create_partitions, drop_partitions, is_missing_partition
from tiffin.storage.node import Node

INSERT = "INSERT INTO parcels.parcels SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[])"


async def test_a_missing_partition_refuses_the_whole_statement(depots: list[Node], shard: int):
    right = depots[1]
    assert shard not in (await partitions_of(right))["parcels.parcels", "customer"]
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await right.execute(INSERT, [119, shard], ["whole", "whole"], ["tea", "tea"])
    assert is_missing_partition(caught.value)
    assert not await right.fetch("SELECT 1 FROM parcels.parcels WHERE id = 'whole'")


async def test_a_broken_check_is_no_missing_partition(depots: list[Node], shard: int):
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await depots[0].execute(INSERT, [shard], ["gift"], ["bomb"])
    assert not is_missing_partition(caught.value)


async def test_creating_and_dropping_may_be_done_by_several_at_once(depots: list[Node], shard: int):
    right = depots[1]
    await asyncio.gather(*(create_partitions(right, "customer", [shard]) for _ in range(4)))
    assert shard in (await partitions_of(right))["parcels.parcels", "customer"]
    await asyncio.gather(*(drop_partitions(right, "customer", [shard]) for _ in range(4)))
    assert shard not in (await partitions_of(right))["parcels.parcels", "customer"]


async def test_creating_what_is_there_keeps_what_is_in_it(depots: list[Node], shard: int):
    await depots[0].execute(INSERT, [shard], ["kept"], ["tea"])
    await create_partitions(depots[0], "customer", [shard])
    assert await depots[0].fetch("SELECT 1 FROM parcels.parcels WHERE shard = $1 AND id = 'kept'", shard)


@asynccontextmanager
async def somebody_lays_out(node: Node) -> AsyncGenerator[None]:
    """Another process has the lock, and does not come to an end."""
    async with node.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", partitions._LOCK)
        yield


async def test_who_lacks_nothing_waits_for_nobody(depots: list[Node], shard: int):
    async with somebody_lays_out(depots[0]):
        await create_partitions(depots[0], "customer", [0, shard])


async def test_the_lock_is_waited_for_longer_than_any_statement(
    depots: list[Node], shard: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tiffin.storage.node.STATEMENT_TIMEOUT_S", 0.2)
    right = await Node.open("right", depots[1].url)
    async with somebody_lays_out(depots[1]):
        waiting = asyncio.create_task(create_partitions(right, "customer", [shard]))
        late = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND now() - query_start > '0.5 s'"
        )
        while not waiting.done() and not await depots[1].fetch(late):
            pass
        assert not waiting.done(), waiting
    await waiting
    assert shard in (await partitions_of(right))["parcels.parcels", "customer"]
    await drop_partitions(right, "customer", [shard])
    await right.close()


async def test_a_table_says_how_full_its_pages_are_filled(depots: list[Node]):
    options = await depots[0].fetch(
        "SELECT DISTINCT c.reloptions FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'parcels.parcels'::regclass"
    )
    assert [row["reloptions"] for row in options] == [["fillfactor=80"]]


@pytest.mark.parametrize("shards", [[-1], [120], [0, 120], [-1, 5]])
async def test_shards_that_do_not_exist_get_no_partition(depots: list[Node], shards: list[int]):
    with pytest.raises(ValueError, match="no such shard"):
        await create_partitions(depots[0], "customer", shards)
