"""The reconciler finds every difference between the dimensions and no other, and repairs them all."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

import databases
from manual_clock import ManualClock
from tiffin.events.consumer import Consumer
from tiffin.events.progress import has_caught_up
from tiffin.events.runner import ConsumerRunner
from tiffin.load.placing import Placing
from tiffin.rpc import contracts as c
from tiffin.services.orders import statements, transition
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.order import OrderRow
from tiffin.services.orders.patrol import walk
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.reconciler import Findings, Place, Reconciler
from tiffin.services.orders.transition import Command, Moved
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence as OrderNumbers
from tiffin.storage.embedded import EmbeddedServer

BATCH = 256
WITHIN_S = 60.0
SEED = int(os.environ.get("TIFFIN_TEST_SEED", "7"))


@pytest.fixture(scope="module")
async def pair(server: EmbeddedServer) -> AsyncIterator[Router]:
    """Two nodes that no other test writes to."""
    nodes = await databases.open_platform(server, ["truth", "copy"])
    yield await Router.open(nodes)
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, ["truth", "copy"])


@asynccontextmanager
async def copying(router: Router, clock: ManualClock) -> AsyncIterator[None]:
    """The copy is kept while this is entered."""
    consumer = Consumer(RestaurantCopy.name, RestaurantCopy(router).handle)
    tasks = [asyncio.create_task(ConsumerRunner(consumer, node, clock).run()) for node in router.nodes]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def place(router: Router, clock: ManualClock, count: int, copies: bool = False) -> list[Moved]:
    """New orders; with `copies` their copies are written here, and nothing is said in the log."""
    placing = Placing(OrderNumbers(router.directory), clock)
    placed: list[Moved] = []
    while len(placed) < count:
        some = [await placing.next() for _ in range(min(BATCH, count - len(placed)))]
        for node in router.nodes:
            here = [moved for moved in some if router.node("customer", moved.row.shard) is node]
            there = [moved.row._replace(shard=restaurant_shard(moved.row.id)) for moved in some]
            there = [row for row in there if router.node("restaurant", row.shard) is node]
            async with node.connection() as connection:
                if here:
                    await statements.place(connection, here)
                if copies and there:
                    await statements.copy(connection, sorted(there, key=lambda row: (row.shard, row.id)))
        placed += some
    return placed


async def move(router: Router, clock: ManualClock, placed: Sequence[Moved]) -> None:
    """Every one of these is accepted."""
    for before in placed:
        actor = c.Caller(role="restaurant", id=before.row.restaurant_id)
        moved = transition.advance(before.row, Command("accepted", actor, "t"), Policy(), clock())
        async with router.node("customer", moved.row.shard).connection() as connection:
            await statements.move(connection, [moved])


async def caught_up(router: Router) -> None:
    for node in router.nodes:
        assert await has_caught_up(node, RestaurantCopy.name, WITHIN_S)


async def look(router: Router, clock: ManualClock) -> Findings:
    async def go_on(first: int, found: Findings) -> None:
        pass

    return await walk(Reconciler(router, clock, caught_up_within_s=WITHIN_S), go_on)


async def plant(router: Router, rng: random.Random, orders: Sequence[Moved], share: int) -> dict[Place, str]:
    """Spoil `share` copies: half of them by taking them away, the others each in one of three ways."""
    chosen = rng.sample(list(orders), share)
    planted: dict[Place, str] = {}
    ways = ["missing"] * 8 + ["elsewhere"] * 2 + ["newer"] * 3 + ["same version"] * 3
    for number, moved in enumerate(chosen):
        id_, shard, way = moved.row.id, restaurant_shard(moved.row.id), ways[number % len(ways)]
        at = "shard = $1 AND id = $2"
        node = router.node("restaurant", shard)
        if way == "missing":
            await node.execute(f"DELETE FROM orders.orders_by_restaurant WHERE {at}", shard, id_)
        elif way == "newer":
            await node.execute(
                f"UPDATE orders.orders_by_restaurant SET version = 99, state = 'completed' WHERE {at}",
                shard, id_,
            )  # fmt: skip
        elif way == "same version":
            await node.execute(
                f"UPDATE orders.orders_by_restaurant SET total = total + 1 WHERE {at}", shard, id_
            )
        else:  # a second copy, in a shard where none belongs
            shard = (shard + 1 + rng.randrange(118)) % 120
            async with router.node("restaurant", shard).connection() as connection:
                await statements.copy(connection, [moved.row._replace(shard=shard)])
        planted[Place(shard, id_)] = {"missing": "missing", "elsewhere": "extra"}.get(way, "differing")
    return planted


async def invent(router: Router, rng: random.Random, like: Sequence[Moved], count: int) -> dict[Place, str]:
    """Copies of orders that there never were, with numbers between those that there are."""
    taken, planted = {moved.row.id for moved in like}, dict[Place, str]()
    while len(planted) < count:
        row = rng.choice(like).row
        id_ = row.id & ~(1023 << 10) | rng.randrange(960) << 10
        if id_ not in taken:
            shard = restaurant_shard(id_)
            async with router.node("restaurant", shard).connection() as connection:
                await statements.copy(connection, [row._replace(shard=shard, id=id_)])
            planted[Place(shard, id_)] = "extra"
    return planted


async def test_equal_dimensions_are_found_equal(pair: Router, clock: ManualClock) -> None:
    async with copying(pair, clock):
        await move(pair, clock, await place(pair, clock, 40))
        await caught_up(pair)
        found = await look(pair, clock)
    assert found.orders >= 40
    assert (found.differences, found.unsettled) == ([], 0)


@pytest.mark.parametrize(
    ("orders", "planted"),
    [(600, 20), pytest.param(1_000_000, 1_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])],
)
async def test_every_planted_difference_is_found_and_repaired_and_no_other_while_orders_move(
    pair: Router, clock: ManualClock, orders: int, planted: int
) -> None:
    rng = random.Random(SEED)
    placed = await place(pair, clock, orders, copies=True)
    await caught_up_from_here(pair)
    quiet, busy = placed[: orders // 2], placed[orders // 2 :]
    wrong = await plant(pair, rng, quiet, planted - planted // 5)
    wrong |= await invent(pair, rng, placed, planted // 5)

    async def keep_moving() -> None:
        for start in range(0, len(busy), 50):
            await move(pair, clock, busy[start : start + 50])
            await place(pair, clock, 10)

    async with copying(pair, clock):
        moving = asyncio.create_task(keep_moving())
        try:
            found = await look(pair, clock)
        finally:
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)
        await caught_up(pair)
        again = await look(pair, clock)
    assert {difference.place: difference.kind for difference in found.differences} == wrong
    assert all(difference.is_repaired for difference in found.differences)
    assert (again.differences, again.unsettled) == ([], 0)
    assert found.orders >= orders
    print(f"seed {SEED}: {found.orders:,} orders, {Counter(wrong.values())}, {found.unsettled} unsettled")


async def caught_up_from_here(router: Router) -> None:
    """The copier need not hear of what has been copied already."""
    for node in router.nodes:
        await node.execute(
            "INSERT INTO log.cursors (consumer, xid, position, day)"
            " SELECT $1, xid, position, day FROM log.events ORDER BY xid DESC, position DESC LIMIT 1"
            " ON CONFLICT (consumer) DO UPDATE SET xid = excluded.xid, position = excluded.position,"
            " day = excluded.day",
            RestaurantCopy.name,
        )


async def test_orders_that_changed_a_moment_ago_are_left_for_later(pair: Router, clock: ManualClock) -> None:
    async def go_on(first: int, found: Findings) -> None:
        pass

    clock.advance(3600)  # the other tests' orders are of an hour ago
    async with copying(pair, clock):
        before = (await look(pair, clock)).orders
        placed = await place(pair, clock, 5)
        await caught_up(pair)
        planted = await plant(pair, random.Random(SEED), placed, 5)
        rested = Reconciler(pair, clock, rested_s=60.0, caught_up_within_s=WITHIN_S)
        clock.advance(59)
        assert (await walk(rested, go_on)).orders == before
        clock.advance(1)
        found = await walk(rested, go_on)
        assert {difference.place: difference.kind for difference in found.differences} == planted


async def test_a_copy_that_is_only_late_is_left_alone(pair: Router, clock: ManualClock) -> None:
    await place(pair, clock, 5)

    async def go_on(first: int, found: Findings) -> None:
        pass

    found = await walk(Reconciler(pair, clock, caught_up_within_s=0.05), go_on)
    assert found.differences == []
    assert found.unsettled == 5
    async with copying(pair, clock):
        await caught_up(pair)
        assert (await look(pair, clock)).unsettled == 0


async def test_an_order_that_moves_while_it_is_looked_at_is_not_taken_for_a_difference(
    pair: Router, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with copying(pair, clock):
        (moved,) = await place(pair, clock, 1)
        await caught_up(pair)
    reconciler = Reconciler(pair, clock, caught_up_within_s=0.05)
    read_copies = reconciler._copies

    async def read_behind_a_move(places: Iterable[Place]) -> Mapping[Place, int]:
        await move(pair, clock, [moved])  # and nobody copies it
        return await read_copies(places)

    monkeypatch.setattr(reconciler, "_copies", read_behind_a_move)
    assert await reconciler._settle({Place(restaurant_shard(moved.row.id), moved.row.id)}) == ([], 1)
    async with copying(pair, clock):
        await caught_up(pair)


async def test_a_repair_takes_nothing_back_that_was_written_since_it_looked(
    pair: Router, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with copying(pair, clock):
        placed = await place(pair, clock, 3)
        await caught_up(pair)
        reconciler = Reconciler(pair, clock, caught_up_within_s=WITHIN_S)
        places = [Place(restaurant_shard(moved.row.id), moved.row.id) for moved in placed]
        for shard, order_id in places:
            await pair.node("restaurant", shard).execute(
                "UPDATE orders.orders_by_restaurant SET total = 0 WHERE shard = $1 AND id = $2",
                shard, order_id,
            )  # fmt: skip
        faults, unsettled = await reconciler._settle(set(places))
        assert (len(faults), unsettled) == (3, 0)
        stale = {moved.row.id: await reconciler._row(moved.row.id) for moved in placed}

        async def read_before(order_id: int) -> OrderRow | None:
            return stale[order_id]

        await move(pair, clock, placed)
        await caught_up(pair)
        monkeypatch.setattr(reconciler, "_row", read_before)
        for fault in faults:
            await reconciler._repair_one(fault)
        assert [await copied_state(pair, of) for of in places] == ["preparing"] * 3
        assert {difference.kind for difference in (await look(pair, clock)).differences} == {"differing"}
        assert (await look(pair, clock)).differences == []


async def copied_state(router: Router, place: Place) -> str:
    row = await router.node("restaurant", place.shard).fetchrow(
        "SELECT state FROM orders.orders_by_restaurant WHERE shard = $1 AND id = $2", *place
    )
    assert row is not None
    return row["state"]


async def test_an_order_whose_customer_is_nowhere_is_no_copy_of_anything(
    pair: Router, clock: ManualClock
) -> None:
    async with copying(pair, clock):
        (moved,) = await place(pair, clock, 1)
        await caught_up(pair)
        bad = moved.row.id | 1023 << 10  # a slot that does not exist
        assert customer_shard(bad) >= 120
        shard = restaurant_shard(bad)
        async with pair.node("restaurant", shard).connection() as connection:
            await statements.copy(connection, [moved.row._replace(shard=shard, id=bad)])
        found = await look(pair, clock)
        assert [(d.place, d.kind, d.is_repaired) for d in found.differences] == [
            ((shard, bad), "extra", True)
        ]
