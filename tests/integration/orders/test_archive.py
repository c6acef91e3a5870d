"""Orders that ended long ago go to the archive, and nobody who asks for one can tell."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

import pytest

import databases
from manual_clock import ManualClock
from marketplace import Marketplace
from tiffin.audit import audit
from tiffin.events.event import Event
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.orders.archive import AGE_MIN
from tiffin.services.orders.archiver import Archived, Archiver
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.erasure import Erasure
from tiffin.services.orders.patrol import walk
from tiffin.services.orders.reconciler import Findings, Reconciler
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.router import Router
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

NAMES = ["cellar", "shelf", "drawer", "attic"]
SEED = int(os.environ.get("TIFFIN_TEST_SEED", "7"))
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
        for limit in (1, 7, 200):
            found[f"{of} by {limit}"] = await market.pages(limit=limit, **of)
        for state in STATES:
            found[f"{of} {state}"] = await market.pages(limit=3, state=state, **of)
    return found


async def is_clean(market: Store) -> None:
    report = await audit(market.router, market.clock, wait_s=0)
    wrong = [found for found in report.differences if found.check not in ("money", "payments")]
    assert wrong == []  # nobody does the books here
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
    orders = await market.grow_old(36, seed)
    kept = orders[::6]
    market.unsettled = {int(order.id) for order in kept}
    before = await everything(market, orders)
    going = {order.id for order in orders if has_ended(order, market.clock())}
    done = await market.archive()
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
