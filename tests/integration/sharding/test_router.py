"""Routing on one node and on four, and by a topology that is old."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from databases import partitions_of
from tiffin.primitives.errors import Unavailable
from tiffin.sharding.read_many import read_many
from tiffin.sharding.router import Router
from tiffin.sharding.slots import DIMENSIONS, SHARDS, shard_of
from tiffin.sharding.topology import lay_out, read_topology
from tiffin.storage.node import Node


def put(shard: int, parcel: str, content: str = "tea") -> Callable[[Node], Awaitable[str]]:
    return lambda node: node.execute(
        "INSERT INTO parcels.parcels VALUES ($1, $2, $3)", shard, parcel, content
    )


def find(shard: int, parcel: str) -> Callable[[Node], Awaitable[list[asyncpg.Record]]]:
    return lambda node: node.fetch(
        "SELECT content FROM parcels.parcels WHERE shard = $1 AND id = $2", shard, parcel
    )


async def test_one_node_holds_everything(node: Node, router: Router):
    for dimension in DIMENSIONS:
        assert router.shards_on(dimension, node) == list(range(SHARDS))


async def test_four_nodes_hold_a_quarter_each(four_nodes: list[Node], four_router: Router):
    for dimension in DIMENSIONS:
        held = [four_router.shards_on(dimension, node) for node in four_nodes]
        assert [len(shards) for shards in held] == [30, 30, 30, 30]
        assert sorted(shard for shards in held for shard in shards) == list(range(SHARDS))


@pytest.mark.parametrize("which", ["one", "four"])
async def test_partitions_are_where_the_topology_says_and_nowhere_else(
    which: str, router: Router, four_router: Router
):
    used = router if which == "one" else four_router
    for node in used.nodes:
        present = await partitions_of(node)
        assert {table.split(".")[0] for table, _ in present} >= {"orders", "users", "restaurants", "payments"}
        for (_, dimension), shards in present.items():
            assert shards == used.shards_on(dimension, node)


async def test_laying_out_again_by_several_at_once_changes_nothing(four_nodes: list[Node]):
    before = await read_topology(four_nodes[0])
    await asyncio.gather(*(lay_out(four_nodes[0], four_nodes) for _ in range(4)))
    assert await read_topology(four_nodes[0]) == before


async def test_an_old_routers_write_lands_on_the_new_node(depots, mover, shard: int):
    old = await Router.open(depots)
    await mover.move(shard, mover.left, mover.right)
    assert old.node("customer", shard) is mover.left

    await old.write("customer", shard, put(shard, "late"))

    assert await find(shard, "late")(mover.right)
    assert old.node("customer", shard) is mover.right, "it has learned"


async def test_an_old_routers_write_leaves_nothing_behind(depots, mover, shard: int):
    old = await Router.open(depots)
    await mover.move(shard, mover.left, mover.right)
    await old.write("customer", shard, put(shard, "once"))
    counts = [await node.fetch("SELECT 1 FROM parcels.parcels WHERE shard = $1", shard) for node in depots]
    assert [len(rows) for rows in counts] == [0, 1]


async def test_an_old_routers_empty_read_is_confirmed(depots, mover, shard: int):
    old = await Router.open(depots)
    await old.write("customer", shard, put(shard, "moved"))
    await mover.move(shard, mover.left, mover.right)
    assert old.node("customer", shard) is mover.left

    assert [row["content"] for row in await old.read("customer", shard, find(shard, "moved"))] == ["tea"]


async def test_who_waited_while_another_learned_of_the_move_is_sent_on_too(depots, mover, shard: int):
    old = await Router.open(depots)
    await old.write("customer", shard, put(shard, "moved"))
    await mover.move(shard, mover.left, mover.right)

    async def find_slowly(node: Node) -> list[asyncpg.Record]:
        rows = await find(shard, "moved")(node)
        await old.changed()  # another caller, meanwhile
        return rows

    async def put_slowly(node: Node) -> str:
        try:
            return await put(shard, "slow")(node)
        finally:
            await other.changed()

    assert await old.read("customer", shard, find_slowly)
    other = Router(depots, await read_topology(depots[0]))
    await mover.move(shard, mover.right, mover.left)
    await other.write("customer", shard, put_slowly)
    assert await find(shard, "slow")(mover.left)


async def test_what_moves_on_while_it_is_sought_where_it_was_said_to_be_is_found_and_written(
    depots, mover, shard: int
):
    async def where_it_no_longer_is(do: Callable[[Node], Awaitable[object]]) -> Callable[[Node], object]:
        """It leaves the right node just before that is asked, once."""
        await mover.move(shard, mover.left, mover.right)

        async def go(node: Node) -> object:
            if node is mover.right and not left_again:
                left_again.append(True)
                await mover.move(shard, mover.right, mover.left)
            return await do(node)

        left_again: list[bool] = []
        return go

    old = await Router.open(depots)
    await old.write("customer", shard, put(shard, "nomad"))
    assert await old.read("customer", shard, await where_it_no_longer_is(find(shard, "nomad")))
    await old.write("customer", shard, await where_it_no_longer_is(put(shard, "packed")))
    assert await find(shard, "packed")(mover.left)


async def test_a_shard_that_comes_back_is_found_again(depots, mover, shard: int):
    old = await Router.open(depots)
    await old.write("customer", shard, put(shard, "tourist"))
    await mover.move(shard, mover.left, mover.right)
    await mover.move(shard, mover.right, mover.left)
    assert await old.read("customer", shard, find(shard, "tourist"))
    assert await old.read("customer", shard, find(shard, "nobody")) == []
    await old.write("customer", shard, put(shard, "home again"))


async def test_many_keys_are_read_from_their_nodes_also_by_an_old_router(depots, mover, shard: int):
    old = await Router.open(depots)
    key_by_shard: dict[int, str] = {}
    for number in range(10_000):
        key_by_shard.setdefault(shard_of(str(number)), str(number))
    keys = [key_by_shard[at] for at in (shard, SHARDS - 1, SHARDS - 2)]
    for key in keys:
        await old.write("customer", shard_of(key), put(shard_of(key), key))
    await mover.move(shard, mover.left, mover.right)

    async def ask(node, shards, held):
        return await node.fetch(
            "SELECT id FROM parcels.parcels p JOIN unnest($1::smallint[], $2::text[]) AS w(s, k)"
            " ON p.shard = w.s AND p.id = w.k",
            shards,
            held,
        )

    assert sorted(await read_many(old, "customer", [*keys, "unknown"], ask)) == sorted(keys)


async def test_a_shard_nobody_holds_is_an_error_and_not_a_loop(depots, shard: int):
    current = await Router.open(depots)
    attempts = 0

    async def write_elsewhere(_: Node) -> str:
        nonlocal attempts
        attempts += 1
        return await put(shard, "lost")(depots[1])

    with pytest.raises(Unavailable, match="shard_away"):
        await current.write("customer", shard, write_elsewhere)
    assert attempts == 1


async def test_another_error_of_a_write_is_not_taken_for_a_move(depots, mover, shard: int):
    old = await Router.open(depots)
    await mover.move(shard, mover.left, mover.right)
    attempts = 0

    async def write_a_bomb(_: Node) -> str:
        nonlocal attempts
        attempts += 1
        return await put(shard, "gift", "bomb")(mover.right)

    with pytest.raises(asyncpg.CheckViolationError, match="parcels_content_check"):
        await old.write("customer", shard, write_a_bomb)
    assert attempts == 1


async def test_a_topology_that_somebody_else_has_taken_meanwhile_counts_as_changed(depots, mover, shard: int):
    """All of these ask the old node first; the first to come back takes the new topology for everybody."""
    await put(shard, "parcel")(mover.left)
    old = await Router.open(depots)
    await mover.move(shard, mover.left, mover.right)
    answers = await asyncio.gather(*(old.read("customer", shard, find(shard, "parcel")) for _ in range(20)))
    assert all(answers)
    old = await Router.open(depots)
    await mover.move(shard, mover.right, mover.left)
    writes = (old.write("customer", shard, put(shard, f"parcel-{number}")) for number in range(20))
    assert len(await asyncio.gather(*writes)) == 20


async def test_the_epoch_goes_up_with_every_move(depots, mover, shard: int):
    router = await Router.open(depots)
    epoch = router.epoch
    assert not await router.changed()
    await mover.move(shard, mover.left, mover.right)
    assert await router.changed()
    assert router.epoch == epoch + 1
