"""Shards move to another node and back while orders are placed and moved, and nothing is lost or doubled."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import databases
from integration.moving.town import Load, Town, all_is_there, copying, is_clean, nothing_is_left, settled
from manual_clock import ManualClock
from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.sharding import router as routing
from tiffin.sharding.moving import replication, switching
from tiffin.sharding.moving.move import Move, MoveError
from tiffin.sharding.moving.mover import Mover
from tiffin.sharding.moving.planning import Leg
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

SENDING = load_queries("tiffin.services.notifications")

NAMES = ["origin", "goal"]


@pytest.fixture(scope="module")
async def nodes(server: EmbeddedServer) -> AsyncIterator[list[Node]]:
    """Two nodes that no other test moves shards of."""
    nodes = await databases.open_platform(server, NAMES)
    yield nodes
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, NAMES)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no reason to leave a shard where it is, nor to tell its callers that it is away."""
    monkeypatch.setattr(switching, "ARRIVED_WITHIN_S", 30.0)
    monkeypatch.setattr(routing, "SWITCHED_WITHIN_S", 40.0)


@pytest.fixture
async def town(nodes: list[Node], clock: ManualClock, new_id: Callable[[str], str]) -> AsyncIterator[Town]:
    async with settled(nodes, clock, new_id) as town:
        yield town


async def test_shards_move_there_and_back_under_load_and_nothing_is_lost(
    town: Town, nodes: list[Node]
) -> None:
    mover, load = Mover(nodes), Load(town)
    stale = town.process(await Router.open(nodes))
    before = await town.place()
    async with copying(town.router, town.clock), load():
        move = await mover.hand_over(await mover.copy(await mover.begin(town.leg)))
        assert move.step == "following"
        there = len(load.accepted)
        for shard in town.leg.shards["customer"]:
            await town.router.changed()
            assert town.router.node("customer", shard) is nodes[1]
        move = await mover.go_back(move)
        assert move.step == "cancelled"
    assert load.errors == []
    assert 0 < there < len(load.accepted)
    await all_is_there(town, load.accepted)
    assert (await stale.get(town.context("operator"), c.OrderRef(order_id=before.id))).id == before.id
    await is_clean(town)
    await nothing_is_left(nodes, move)
    for direction in ("there", "back"):
        assert len(await mover.pauses(move, direction)) == len(move.places)


async def test_a_finished_move_leaves_nothing_where_the_shards_were(town: Town, nodes: list[Node]) -> None:
    mover, load = Mover(nodes), Load(town)
    async with copying(town.router, town.clock):
        async with load():
            move = await mover.hand_over(await mover.copy(await mover.begin(town.leg)))
        await is_clean(town)  # while the old node follows
        move = await mover.finish(move)
    assert move.step == "finished"
    assert load.errors == []
    await all_is_there(town, load.accepted)
    await is_clean(town)
    await nothing_is_left(nodes, move)
    for shard in town.leg.shards["customer"]:
        row = await nodes[0].fetchrow("SELECT count(*) FROM orders.deadlines WHERE shard = $1", shard)
        assert row is not None and row[0] == 0
    (order_id, *_) = load.accepted
    async with copying(town.router, town.clock):  # and home again, history and all
        leg = town.leg
        move = await mover.copy(await mover.begin(Leg("goal", "origin", leg.shards)))
        await mover.finish(await mover.hand_over(move))
    await all_is_there(town, [order_id])
    await is_clean(town)


async def test_a_cancelled_move_leaves_nothing(town: Town, nodes: list[Node]) -> None:
    mover = Mover(nodes)
    await town.bring_to("preparing")
    move = await mover.cancel(await mover.copy(await mover.begin(town.leg)))
    assert move.step == "cancelled"
    await nothing_is_left(nodes, move)
    assert await mover.open_moves() == []
    with pytest.raises(MoveError, match="cancelled"):
        await mover.finish(move)
    await town.place()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 21))])
async def test_a_move_cut_short_anywhere_is_gone_on_with_by_another(
    town: Town, nodes: list[Node], seed: int
) -> None:
    rng, load = random.Random(seed), Load(town)
    async with copying(town.router, town.clock), load():
        move = await Mover(nodes).begin(town.leg)
        cut = 0

        async def go_on() -> Move:
            mover = Mover(nodes)
            return await mover.hand_over(await mover.copy(move))

        while move.step != "following":
            task = asyncio.create_task(go_on())
            await asyncio.wait([task], timeout=rng.uniform(0, 0.4 * (1 + cut)))
            cut += task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            (move,) = await Mover(nodes).open_moves()
        move = await Mover(nodes).go_back(move)
    assert cut > 0
    assert load.errors == []
    await all_is_there(town, load.accepted)
    await is_clean(town)
    await nothing_is_left(nodes, move)


async def test_a_row_that_has_not_come_along_stops_the_move(
    town: Town, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    mover = Mover(nodes)
    order = await town.bring_to("preparing")
    shard = shard_of(town.customer)
    open_way_back = mover._open_way_back

    async def lose_a_row_before(*arguments: Any) -> None:
        await nodes[1].execute(f"DELETE FROM orders.orders_{shard:03} WHERE id = $1", int(order.id))
        await open_way_back(*arguments)

    monkeypatch.setattr(mover, "_open_way_back", lose_a_row_before)
    with pytest.raises(MoveError, match=f"orders.orders_{shard:03}: 1 rows differ"):
        await mover.copy(await mover.begin(town.leg))
    (move,) = await mover.open_moves()
    assert move.step == "copying"
    await mover.cancel(move)
    assert (await town.get(order)).state == "preparing"


async def test_a_switch_whose_last_changes_do_not_arrive_leaves_the_shard_where_it_was(
    town: Town, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    mover = Mover(nodes)
    order = await town.bring_to("preparing")
    move = await mover.copy(await mover.begin(town.leg))
    monkeypatch.setattr(switching, "ARRIVED_WITHIN_S", 0.3)
    caught_up = switching.catch_up
    calls = 0

    async def stop_replication_before_the_second(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            await nodes[1].execute(f"ALTER SUBSCRIPTION {move.there} DISABLE")
        await caught_up(*arguments)

    monkeypatch.setattr(switching, "catch_up", stop_replication_before_the_second)
    with pytest.raises(MoveError, match="has not come"):
        await mover.hand_over(move)
    assert (await town.say(order, "prepared", "restaurant")).state == "ready"
    assert (await town.history(order))[-1].to_state == "ready"
    await nodes[1].execute(f"ALTER SUBSCRIPTION {move.there} ENABLE")
    monkeypatch.undo()
    (move,) = await mover.open_moves()
    move = await mover.hand_over(move)
    assert (await town.get(order)).state == "ready"
    await mover.go_back(move)


async def test_who_asks_in_the_middle_of_a_switch_is_answered_after_it(
    town: Town, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    mover = Mover(nodes)
    order = await town.bring_to("preparing")
    move = await mover.copy(await mover.begin(town.leg))
    fenced, go_on = asyncio.Event(), asyncio.Event()
    finish = switching.History.finish

    async def wait(self: Any, *arguments: Any) -> None:
        fenced.set()
        await go_on.wait()
        await finish(self, *arguments)

    monkeypatch.setattr(switching.History, "finish", wait)
    handing_over = asyncio.create_task(mover.hand_over(move))
    await fenced.wait()
    shard = move.places[0][1]
    customer = next(customer for customer in town.customers if shard_of(customer) == shard)
    asked = [
        asyncio.create_task(town.place(customer=customer)),
        asyncio.create_task(town.get(order)),
        asyncio.create_task(town.page(customer_id=customer)),
    ]
    await asyncio.wait(asked, timeout=0.2)
    assert shard != shard_of(town.customer) or not any(task.done() for task in asked)
    go_on.set()
    await asyncio.gather(*asked)
    await mover.go_back(await handing_over)


async def test_who_asks_while_a_mover_is_dead_is_told_that_the_shard_is_away_not_that_nothing_is_there(
    town: Town, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "SWITCHED_WITHIN_S", 0.2)
    mover = Mover(nodes)
    order = await town.bring_to("preparing")
    move = await mover.copy(await mover.begin(town.leg))
    shard = shard_of(town.customer)
    await nodes[0].execute(switching.QUERIES["begin_switch"], "customer", shard, "origin")
    async with nodes[0].transaction() as connection:
        await switching.tables.take_out(
            connection, await switching.tables.of_dimension(nodes[0], "customer"), shard
        )
    for call in (town.get(order), town.place(), town.page(customer_id=town.customer)):
        with pytest.raises(Unavailable, match="shard_away"):
            await call
    elsewhere = next(name for name in map(str, range(1000)) if shard_of(name) != shard)
    assert (await town.page(customer_id=elsewhere)).orders == []
    move = await mover.hand_over(move)
    assert (await town.get(order)).state == "preparing"
    await mover.go_back(move)


async def test_a_router_that_has_taken_a_topology_in_the_middle_of_a_switch_waits_for_its_end(
    town: Town, nodes: list[Node]
) -> None:
    """Another shard's caller may have taken it; the epoch is another one then, and says nothing."""
    directory, place = nodes[0], town.leg.shards["customer"][0]
    router = await Router.open(nodes)
    asked_in = router.epoch
    await directory.execute(switching.QUERIES["begin_switch"], "customer", place, "origin")
    elsewhere = (place + 1) % 60
    assert await router.changed(asked_in, ("customer", elsewhere))
    waiting = asyncio.create_task(router.changed(asked_in, ("customer", place)))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    await directory.execute(switching.QUERIES["end_switch"], "customer", place, "goal")
    assert await waiting
    assert router.node("customer", place) is nodes[1]
    await directory.execute(switching.QUERIES["begin_switch"], "customer", place, "goal")
    await directory.execute(switching.QUERIES["end_switch"], "customer", place, "origin")


async def test_one_moves_at_a_time(town: Town, nodes: list[Node]) -> None:
    mover = Mover(nodes)
    async with mover.alone():
        with pytest.raises(MoveError, match="another process"):
            async with Mover(nodes).alone():
                pass
    move = await mover.begin(town.leg)
    with pytest.raises(MoveError, match="finish, roll back or cancel"):
        await mover.begin(town.leg)
    await mover.cancel(move)
    assert replication.LOOK_INTERVAL_S < switching.ARRIVED_WITHIN_S


async def test_nobody_takes_work_of_a_shard_where_it_does_not_live(town: Town, nodes: list[Node]) -> None:
    """Rows of tables beside are on both nodes while a move is open: a lease on the wrong one would count on
    the right one."""
    mover, origin, goal = Mover(nodes), nodes[0], nodes[1]
    shard, long_ago = shard_of(town.customer), datetime(2000, 1, 1, tzinfo=UTC)
    await origin.execute(
        "INSERT INTO notifications.due (shard, role, person_id, key, security, due_at, attempts)"
        " VALUES ($1, 'customer', $2, 'k', true, $3, 0)",
        shard, town.customer, long_ago,
    )  # fmt: skip

    async def tried(node: Node) -> int:
        """Look for work there. How often the row was taken by now."""
        await node.fetch(SENDING["claim"], True, long_ago, long_ago, 100)
        row = await node.fetchrow(
            "SELECT attempts FROM notifications.due WHERE person_id = $1", town.customer
        )
        assert row is not None
        return row["attempts"]

    move = await mover.copy(await mover.begin(town.leg))
    assert (await tried(goal), await tried(origin)) == (0, 1)
    move = await mover.hand_over(move)
    assert (await tried(origin), await tried(goal)) == (1, 2)
    move = await mover.go_back(move)
    assert await tried(origin) == 3
    await nothing_is_left(nodes, move)
    await origin.execute("DELETE FROM notifications.due WHERE person_id = $1", town.customer)
