"""Orders that ended long ago go to the archive, and nobody who asks for one can tell."""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import databases
from manual_clock import ManualClock
from marketplace import Marketplace
from old_orders import make_old_orders
from tiffin.audit import audit
from tiffin.events.retention import keep_days
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.orders.archive import AGE_MIN
from tiffin.services.orders.archiver import Archived, Archiver
from tiffin.services.orders.cheap_storage import NoTablespace, put_archive
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.erasure import Erasure
from tiffin.services.orders.histories import forget_histories, needed_histories
from tiffin.services.orders.patrol import walk
from tiffin.services.orders.reconciler import Findings, Reconciler
from tiffin.services.orders.states import TERMINAL
from tiffin.sharding.moving import tables
from tiffin.sharding.moving.move import Move
from tiffin.sharding.moving.mover import Mover
from tiffin.sharding.moving.planning import to_node
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.router import Router
from tiffin.sharding.slots import Dimension, shard_of
from tiffin.sharding.topology import read_topology
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

NAMES = ["cellar", "shelf", "drawer", "attic"]
SEED = int(os.environ.get("TIFFIN_TEST_SEED", "7"))
TESTS = Path(__file__).parents[2]
STATES = ("completed", "cancelled", "delivered", "preparing")
WAYS: dict[str, Sequence[tuple[str, str]]] = {
    "completed": (
        ("accepted", "restaurant"), ("courier_assigned", "courier"), ("prepared", "restaurant"),
        ("picked_up", "courier"), ("delivered", "courier"), ("completed", "customer"),
    ),
    "cancelled": (("cancelled", "customer"),),
    "delivered": (
        ("accepted", "restaurant"), ("courier_assigned", "courier"), ("prepared", "restaurant"),
        ("picked_up", "courier"), ("delivered", "courier"),
    ),
    "preparing": (("accepted", "restaurant"),),
}  # fmt: skip


@pytest.fixture(scope="module")
async def nodes(server: EmbeddedServer) -> AsyncIterator[list[Node]]:
    """Four nodes of which no other test archives the orders."""
    nodes = await databases.open_platform(server, NAMES)
    yield nodes
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, NAMES)


class Store(Marketplace):
    """A restaurant whose orders grow old."""

    unsettled: set[int]
    """Orders that somebody is not done with."""

    def archiver(self, router: Router | None = None) -> Archiver:
        async def unsettled(order_ids: Sequence[int]) -> set[int]:
            return self.unsettled & set(order_ids)

        return Archiver(router or self.router, self.clock, unsettled, AGE_MIN)

    async def archive(self) -> Archived:
        """Go through the shards of this market's customer and restaurant."""
        router, shards = self.router, (shard_of(self.customer), shard_of(self.restaurant))
        done = await self.archiver().archive_orders(router.node("customer", shards[0]), shards[0])
        done.add(await self.archiver().archive_copies(router.node("restaurant", shards[1]), shards[1]))
        return done

    async def archive_everything(self) -> Archived:
        """Go through every node twice: copies follow their orders, which may be on nodes that come later."""
        done, then = await self._archive_once(), await self._archive_once()
        assert then.orders == 0
        done.copies += then.copies
        return done

    async def _archive_once(self) -> Archived:
        done = Archived()
        for node in self.router.nodes:
            found = await self.archiver().lead(node)
            assert found is not None and not found.failures
            done.add(found)
        return done

    async def make(self, state: str) -> c.Order:
        """An order in a state, with its copy."""
        order = await self.place()
        for event, role in WAYS[state]:
            order = await self.say(order, event, role)  # type: ignore[arg-type]
        assert order.state == state
        await self.copy(order)
        return order

    async def grow_old(self, count: int, seed: int = SEED) -> list[c.Order]:
        """Orders of all states over some time, of which the older ones may be archived in the end."""
        rng = random.Random(seed)
        orders: list[c.Order] = []
        for number in range(count):
            orders.append(await self.make(rng.choice(STATES)))
            self.clock.advance(rng.choice((0, 0.000001, 3600)))
            if number == count * 2 // 3:
                self.clock.advance((AGE_MIN + timedelta(days=1)).total_seconds())
        return orders

    async def let_days_go(self) -> None:
        """All that the log has said so far was said long ago, and its day is dropped."""
        for node in self.router.nodes:
            day = datetime.now(UTC).date() - timedelta(days=60)
            await node.execute(
                f"CREATE TABLE log.events_{day:%Y%m%d} PARTITION OF log.events"
                f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            )
            await node.execute("UPDATE log.events SET day = $1", day)
            assert await keep_days(node, 30, {"order": needed_histories}) == [day]

    async def history_places(self, orders: Sequence[c.Order]) -> dict[str, set[str]]:
        """Of which orders there are events in the log, and of which beside it."""
        found: dict[str, set[str]] = {}
        for node in self.router.nodes:
            for where, table in (("log", "log.events"), ("beside", "log.moved")):
                rows = await node.fetch(
                    f"SELECT key FROM {table} WHERE key = ANY($1)", [order.id for order in orders]
                )
                if rows:
                    found.setdefault(where, set()).update(row["key"] for row in rows)
        return found

    async def places_of(self, order_ids: Collection[str]) -> Counter[str]:
        """In how many tables each of these orders is, and in which."""
        found = Counter[str]()
        for node in self.router.nodes:
            for table in ("orders", "archive", "orders_by_restaurant", "archive_by_restaurant"):
                rows = await node.fetch(
                    f"SELECT id FROM orders.{table} WHERE id = ANY($1)", [int(of) for of in order_ids]
                )
                found.update(f"{row['id']} {table}" for row in rows)
        return found


@pytest.fixture
async def market(nodes: list[Node], clock: ManualClock, new_id: Callable[[str], str]) -> AsyncIterator[Store]:
    store = Store(await Router.open(nodes), clock, new_id)
    store.unsettled = set()
    await store.add_customer(store.customer)
    await store.add_restaurant(store.restaurant)
    yield store
    await store.close()


def has_ended(order: c.Order, now: Any) -> bool:
    old = order.updated_at < (now - AGE_MIN).isoformat()
    return order.state in ("completed", "cancelled") and old


async def everything(market: Store, orders: Sequence[c.Order]) -> dict[str, Any]:
    """All that can be asked about orders, by whom it may be asked."""
    found: dict[str, Any] = {}
    for order in orders:
        found[f"order {order.id}"] = await market.get(order, "customer")
        found[f"timeline {order.id}"] = await market.history(order)
    asked = c.OrdersNamed(order_ids=[order.id for order in orders])
    told = await market.orders.terms(market.context("system"), asked)
    found["terms"] = sorted(told.orders, key=lambda terms: terms.order_id)
    for of in ({"customer_id": market.customer}, {"restaurant_id": market.restaurant}):
        for limit in (2, 9):
            found[f"{of} by {limit}"] = await market.pages(limit=limit, **of)
        for state in STATES:
            found[f"{of} {state}"] = await market.pages(limit=3, state=state, **of)
    return found


async def is_clean(market: Store) -> None:
    report = await audit(market.router, market.clock, wait_s=0)
    wrong = [found for found in report.differences if found.check not in ("money", "payments")]
    assert wrong == []  # nobody does the books here
    await are_equal(market)


async def are_equal(market: Store) -> None:
    found = await look(market)
    assert (found.differences, found.unsettled) == ([], 0)


async def look(market: Store) -> Findings:
    async def go_on(first: int, found: Findings) -> None:
        pass

    for node in market.router.nodes:  # every order has been copied by hand
        await node.execute(
            "INSERT INTO log.cursors (consumer, xid, position, day)"
            " SELECT $1, xid, position, day FROM log.events ORDER BY xid DESC, position DESC LIMIT 1"
            " ON CONFLICT (consumer) DO UPDATE SET xid = excluded.xid, position = excluded.position,"
            " day = excluded.day",
            RestaurantCopy.name,
        )
    return await walk(Reconciler(market.router, market.clock, caught_up_within_s=60.0), go_on)


@pytest.mark.parametrize("seed", [SEED, *(pytest.param(n, marks=pytest.mark.soak) for n in range(20))])
async def test_whatever_is_asked_is_answered_as_before_the_orders_were_archived(
    market: Store, seed: int
) -> None:
    orders = await market.grow_old(24, seed)
    kept = orders[::5]
    market.unsettled = {int(order.id) for order in kept}
    before = await everything(market, orders)
    going = {order.id for order in orders if has_ended(order, market.clock())}
    done = await market.archive_everything()
    gone = going - {order.id for order in kept}
    assert 3 < len(gone) < len(orders) and done.waiting == len(going) - len(gone)
    assert (done.orders, done.copies, done.no_history) == (len(gone), len(gone), 0)
    assert await everything(market, orders) == before
    assert await market.places_of([order.id for order in orders]) == Counter(
        f"{order.id} {table}"
        for order in orders
        for table in (
            ("archive", "archive_by_restaurant") if order.id in gone else ("orders", "orders_by_restaurant")
        )
    )
    await is_clean(market)
    again = await market.archive()
    assert (again.orders, again.copies) == (0, 0)
    market.unsettled = set()
    assert (await market.archive()).orders == len(going) - len(gone)
    assert await everything(market, orders) == before


async def test_a_list_that_is_being_read_goes_on_into_the_archive_without_gap_or_repeat(
    market: Store,
) -> None:
    orders = await market.grow_old(24)
    for of in ({"customer_id": market.customer}, {"restaurant_id": market.restaurant}):
        first = await market.page(limit=10, **of)
        await market.archive()
        seen, cursor = [order.id for order in first.orders], first.next_cursor
        while cursor is not None:
            page = await market.page(limit=3, cursor=cursor, **of)
            seen += [order.id for order in page.orders]
            cursor = page.next_cursor
        assert seen == [order.id for order in sorted(orders, key=newest_first, reverse=True)]


def newest_first(order: c.Order) -> tuple[str, int]:
    return order.placed_at.ljust(32), int(order.id)


async def test_every_column_of_an_order_is_archived_with_it(nodes: list[Node]) -> None:
    async def columns(table: str) -> set[str]:
        rows = await nodes[0].fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0", table
        )
        return {row["attname"] for row in rows}

    hot = await columns("orders.orders")
    assert hot - await columns("orders.archive") == {
        "due_at",
        "details",
    }  # what is archived waits for nothing
    assert hot == await columns("orders.hot_and_archived")


async def test_what_comes_late_is_answered_as_it_was_before(market: Store) -> None:
    order = await market.make("completed")
    customer = market.context("customer")
    request = c.AdvanceOrder(order_id=order.id, event="delivered")
    refused: list[Any] = []
    for archived in (False, True):
        if archived:
            market.clock.advance((AGE_MIN + timedelta(seconds=1)).total_seconds())
            assert (await market.archive()).orders >= 1
        with pytest.raises(Refusal) as refusal:
            await market.orders.advance(market.context("courier"), request)
        refused.append((refusal.value.code, refusal.value.details))
    assert refused == [("wrong_state", {"state": "completed", "version": order.version})] * 2
    same = c.CallContext(
        request_id=(await market.history(order))[-1].request_id, caller=customer.caller,
        deadline_ms=market.context("customer").deadline_ms,
    )  # fmt: skip
    again = await market.orders.advance(same, c.AdvanceOrder(order_id=order.id, event="completed"))
    assert again == order


async def test_an_event_that_comes_again_brings_no_copy_back(market: Store) -> None:
    order = await market.make("completed")
    events = await market.events_of(order)
    market.clock.advance((AGE_MIN + timedelta(seconds=1)).total_seconds())
    await market.archive()
    await RestaurantCopy(market.router).handle(events)
    archived = Counter([f"{order.id} archive", f"{order.id} archive_by_restaurant"])
    assert await market.places_of([order.id]) == archived
    # read before the order was archived, written after it: in both for a while, and told once
    number = int(order.id)
    row = await market.orders._store.get(number, 10)
    assert row is not None
    await RestaurantCopy(market.router)._write([row])
    assert [len(page) for page in await market.pages(restaurant_id=market.restaurant)] == [1]
    await market.archive()
    assert await market.places_of([order.id]) == archived
    await are_equal(market)


async def test_an_order_whose_history_is_not_whole_stays(market: Store) -> None:
    orders = [await market.make("completed") for _ in range(2)]
    market.clock.advance((AGE_MIN + timedelta(seconds=1)).total_seconds())
    truth = market.router.node("customer", customer_shard(int(orders[0].id)))
    await truth.execute("DELETE FROM log.events WHERE key = $1 AND version = 3", orders[0].id)
    done = await market.archive()
    assert (done.orders, done.no_history) == (1, 1)
    assert (await market.places_of([orders[0].id])).total() == 2
    await truth.execute("DELETE FROM log.events WHERE key = $1", orders[0].id)
    await truth.execute("DELETE FROM orders.orders WHERE id = $1", int(orders[0].id))
    copy = market.router.node("restaurant", restaurant_shard(int(orders[0].id)))
    await copy.execute("DELETE FROM orders.orders_by_restaurant WHERE id = $1", int(orders[0].id))


async def test_an_erased_person_is_forgotten_by_the_archive_too(market: Store) -> None:
    orders = await market.grow_old(12)
    await market.archive()
    for _ in range(2):
        await Erasure(market.router).erase(market.customer, also_open=True)
        for order in orders:
            found = await market.get(order)
            assert (found.address.street, found.note) == ("erased", None)
            assert found.lines == order.lines
        await are_equal(market)
    for node in market.router.nodes:
        row = await node.fetchrow(
            "SELECT count(*) FROM orders.hot_and_archived WHERE customer_id = $1 AND details LIKE '%Calle%'",
            market.customer,
        )
        assert row is not None and row[0] == 0


async def test_an_order_that_is_archived_while_its_customer_is_erased_is_forgotten(
    market: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = await market.grow_old(12)
    erasure = Erasure(market.router)
    page = erasure._page

    async def archived_behind_the_page(*arguments: Any) -> Any:
        rows = await page(*arguments)
        await market.archive()
        return rows

    monkeypatch.setattr(erasure, "_page", archived_behind_the_page)
    await erasure.erase(market.customer, also_open=True)
    for order in orders:
        assert (await market.get(order)).address.street == "erased"
    await are_equal(market)


HERE = "WHERE shard = $1 AND id = $2"
SPOIL: dict[str, tuple[Dimension, str]] = {
    "state": ("restaurant", f"UPDATE orders.archive_by_restaurant SET state = 'x' {HERE}"),
    "seal": ("restaurant", f"UPDATE orders.archive_by_restaurant SET seal = seal + 1 {HERE}"),
    "no copy": ("restaurant", f"DELETE FROM orders.archive_by_restaurant {HERE}"),
    "truth": ("customer", f"UPDATE orders.archive SET total = total + 1 {HERE}"),
    "details": ("customer", f"UPDATE orders.archive SET body[1] = replace(body[1], 'Ajiaco', 'X') {HERE}"),
}


@pytest.mark.parametrize("spoilt", SPOIL)
async def test_the_reconciler_finds_and_repairs_what_differs_in_the_archive(
    market: Store, spoilt: str
) -> None:
    orders = [await market.make("completed") for _ in range(3)]
    market.clock.advance((AGE_MIN + timedelta(seconds=1)).total_seconds())
    await market.archive()
    number = int(orders[1].id)
    dimension, sql = SPOIL[spoilt]
    shard = customer_shard(number) if dimension == "customer" else restaurant_shard(number)
    await market.router.node(dimension, shard).execute(sql, shard, number)
    found = await look(market)
    assert [(d.place.order_id, d.kind, d.is_repaired) for d in found.differences] == [
        (number, "missing" if spoilt == "no copy" else "differing", True)
    ]
    await market.archive()  # the copy that was made anew
    assert (await market.places_of([orders[1].id])).total() == 2
    assert (await look(market)).differences == []
    pages = await market.pages(restaurant_id=market.restaurant)
    assert [order.id for order in pages[0]] == [order.id for order in reversed(orders)]


async def test_an_archiver_cut_short_after_any_statement_leaves_every_order_in_one_place(
    market: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make_old_orders(market.router, market.clock, 40)
    market.clock.advance((AGE_MIN + timedelta(seconds=1)).total_seconds())
    fetch, left = Node.fetch, 0

    async def die_after_some(self: Node, *arguments: Any) -> Any:
        nonlocal left
        rows = await fetch(self, *arguments)
        left -= 1
        if left == 0:
            raise asyncio.CancelledError
        return rows

    monkeypatch.setattr(Node, "fetch", die_after_some)
    statements = cut = 0
    while True:
        statements += 7
        left = statements
        try:
            for node in market.router.nodes:
                await market.archiver().archive_node(node)
        except asyncio.CancelledError:
            cut += 1
            left = -1
            await each_is_once(market, made)
        else:
            break
    assert cut > 3
    left = -1
    await market.archive_everything()
    assert await each_is_once(market, made) == {"archive": 40, "archive_by_restaurant": 40}
    await are_equal(market)


async def each_is_once(market: Store, made: Sequence[int]) -> Counter[str]:
    """In each dimension every order is hot or archived, never both, never neither. Returns how many
    are where."""
    found = await market.places_of([str(order_id) for order_id in made])
    assert set(found.values()) == {1}
    tables = Counter(place.split()[1] for place in found)
    assert tables["orders"] + tables["archive"] == len(made)
    assert tables["orders_by_restaurant"] + tables["archive_by_restaurant"] == len(made)
    assert tables["archive_by_restaurant"] <= tables["archive"]
    return tables


@pytest.mark.parametrize(("orders", "kills"), [(300, 3), pytest.param(20_000, 40, marks=pytest.mark.soak)])
async def test_archivers_that_are_killed_lose_and_double_nothing(
    market: Store, orders: int, kills: int
) -> None:
    made = await make_old_orders(market.router, market.clock, orders)
    market.clock.advance((AGE_MIN + timedelta(seconds=1)).total_seconds())
    rng = random.Random(SEED)
    arguments = [market.clock().isoformat(), *(f"{node.name}={node.url}" for node in market.router.nodes)]
    for _ in range(kills):
        victim = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "archive_victim", *arguments, cwd=TESTS, stdout=asyncio.subprocess.PIPE
        )
        assert victim.stdout is not None
        for _ in range(rng.randrange(1, 40)):
            assert await victim.stdout.readline()
        victim.kill()
        await victim.communicate()
        await each_is_once(market, made)
    await market.archive_everything()
    assert await each_is_once(market, made) == {"archive": orders, "archive_by_restaurant": orders}
    await are_equal(market)


async def test_orders_are_read_listed_and_moved_to_another_node_while_they_are_archived(
    market: Store, nodes: list[Node]
) -> None:
    orders = await market.grow_old(24)
    before = await everything(market, orders)
    shards = {
        "customer": [shard_of(market.customer)], "restaurant": [shard_of(market.restaurant)],
    }  # fmt: skip
    mover, is_over = Mover(nodes), asyncio.Event()

    async def keep_asking() -> int:
        asked = 0
        while not is_over.is_set():
            assert await everything(market, orders) == before
            asked += 1
        return asked

    async def move() -> None:
        legs = to_node(
            (await read_topology(nodes[0])).node_names, [(d, s) for d in shards for s in shards[d]], "attic"
        )
        for leg in legs:
            moved = await mover.hand_over(await mover.copy(await mover.begin(leg)))
            await mover.go_back(moved) if leg is legs[-1] else await mover.finish(moved)

    asking = asyncio.create_task(keep_asking())
    moving = asyncio.create_task(move())
    try:
        while not moving.done():
            router = await Router.open(nodes)
            for node in nodes:
                await market.archiver(router).archive_node(node)
        await moving
    finally:
        is_over.set()
        asked = await asking
    assert asked > 0
    await market.router.changed()
    await market.archive()
    gone = [order for order in orders if has_ended(order, market.clock())]
    assert (await market.places_of([order.id for order in gone])) == Counter(
        f"{order.id} {table}" for order in gone for table in ("archive", "archive_by_restaurant")
    )
    assert await everything(market, orders) == before
    await is_clean(market)


async def test_histories_outlive_the_days_of_the_log(market: Store) -> None:
    orders = await market.grow_old(12)
    market.unsettled = {int(orders[0].id)}
    await market.archive()
    before = [await market.history(order) for order in orders]
    hot = {order.id for order in orders if not has_ended(order, market.clock())} | {orders[0].id}
    await market.let_days_go()
    assert await market.history_places(orders) == {"beside": hot}
    assert [await market.history(order) for order in orders] == before
    await are_equal(market)
    market.unsettled = set()
    market.clock.advance((AGE_MIN + timedelta(days=1)).total_seconds())
    await market.archive()
    for node in market.router.nodes:
        await forget_histories(node, market.clock())
    never = {order.id for order in orders if order.state not in TERMINAL}
    assert await market.history_places(orders) == {"beside": never}
    assert [await market.history(order) for order in orders] == before
    await is_clean(market)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_many_orders_are_archived_and_what_that_costs(market: Store, nodes: list[Node]) -> None:
    count = int(os.environ.get("TIFFIN_TEST_ORDERS", "200000"))
    began = time.monotonic()
    made = await make_old_orders(market.router, market.clock, count, step_s=60)
    print(
        f"\n{count:,} orders made in {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.0f}",
        flush=True,
    )
    sample = random.Random(SEED).sample(made, 300)
    hot_bytes = await bytes_of(nodes, "orders.orders", "orders.orders_by_restaurant")
    log_bytes = await bytes_of(nodes, "log.events")
    before, cost_before = await told(market, sample)
    market.clock.advance((AGE_MIN + timedelta(days=1)).total_seconds())
    began = time.monotonic()
    for _ in range(2):
        for node in nodes:
            done = await market.archiver().archive_node(node)
            assert not done.failures and not done.no_history
    took_s = time.monotonic() - began
    print(f"archived in {took_s:.0f} s, load {os.getloadavg()[0]:.0f}", flush=True)
    after, cost_after = await told(market, sample)
    assert after == before
    archived = await market.places_of([str(order_id) for order_id in made])
    assert Counter(place.split()[1] for place in archived) == {
        "archive": count, "archive_by_restaurant": count,
    }  # fmt: skip
    found = await look(market)
    assert (found.differences, found.unsettled) == ([], 0)
    truth_bytes = await bytes_of(nodes, "orders.archive")
    copy_bytes = await bytes_of(nodes, "orders.archive_by_restaurant")
    print(
        f"{count:,} orders: hot {hot_bytes / count:,.0f} bytes an order in both dimensions, and"
        f" {log_bytes / count:,.0f} of log; archived {truth_bytes / count:,.0f} with its history, and"
        f" {copy_bytes / count:,.0f} in the restaurant dimension; {count / took_s:,.0f} orders/s archived"
    )
    for what, ms in cost_before.items():
        print(f"{what}: p50 {ms:.2f} ms hot, {cost_after[what]:.2f} ms archived")


async def bytes_of(nodes: Sequence[Node], *tables: str) -> int:
    """Of tables with their indexes and TOAST."""
    total = 0
    for node in nodes:
        row = await node.fetchrow(
            "SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits"
            " WHERE inhparent = ANY($1::text[]::regclass[])",
            list(tables),
        )
        assert row is not None
        total += row[0]
    return total


async def told(market: Store, sample: Sequence[int]) -> tuple[dict[str, Any], dict[str, float]]:
    """What is answered about some orders, and what each kind of question takes (ms, median)."""
    operator = market.context("operator", timeout_ms=600_000)
    answers: dict[str, Any] = {}
    took: dict[str, list[float]] = {}

    async def ask(what: str, key: str, call: Any) -> Any:
        began = time.perf_counter()
        answers[f"{what} {key}"] = answer = await call
        took.setdefault(what, []).append((time.perf_counter() - began) * 1000)
        return answer

    for order_id in map(str, sample):
        order = await ask("get", order_id, market.orders.get(operator, c.OrderRef(order_id=order_id)))
        await ask("timeline", order_id, market.orders.timeline(operator, c.OrderRef(order_id=order_id)))
        of_customer = c.ListOrders(customer_id=order.customer_id)
        await ask("customer's page", order_id, market.orders.list_orders(operator, of_customer))
        of_restaurant = c.ListOrders(restaurant_id=order.restaurant_id)
        page = await ask("restaurant's page", order_id, market.orders.list_orders(operator, of_restaurant))
        assert len(page.orders) == 20
    return answers, {what: median(times) for what, times in took.items()}


async def test_the_archive_is_in_the_tablespace_that_is_named(
    nodes: list[Node], new_id: Callable[[str], str]
) -> None:
    node, name = nodes[3], new_id("cheap").replace("-", "_")
    connection = await node.connect()
    await connection.execute("SET allow_in_place_tablespaces = true")
    await connection.execute(f"CREATE TABLESPACE {name} LOCATION ''")
    await connection.close()

    async def inside() -> set[str]:
        rows = await node.fetch(
            "SELECT relname FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace"
            " WHERE t.spcname = $1 AND c.relkind IN ('r', 'p', 'i', 'I') AND c.relname NOT LIKE 'pg_toast%'",
            name,
        )
        return {row["relname"] for row in rows}

    with pytest.raises(NoTablespace, match="attic has no tablespace nowhere"):
        await put_archive(node, "nowhere")
    try:
        moved = await put_archive(node, name)
        before = await inside()
        assert len(before) == moved > 100
        assert {"archive", "archive_by_customer", "archive_by_restaurant"} <= before
        assert await put_archive(node, name) == 0
        shards = {"customer": [0], "restaurant": [0]}  # which live on another node
        move = Move(0, "cellar", "attic", shards, "planned")  # type: ignore[arg-type]
        await tables.make(node, move)
        come = await inside() - before
        assert {"archive_000", "archive_by_restaurant_000"} <= come
        assert not any(name.startswith("orders_") for name in come)
        await tables.throw_away(node, move)
    finally:
        await put_archive(node, "")
        assert await inside() == set()
        await node.execute(f"DROP TABLESPACE {name}")
