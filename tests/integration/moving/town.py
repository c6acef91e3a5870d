"""A restaurant and its customers on a node that is to be left, who go on ordering meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from manual_clock import ManualClock
from marketplace import Marketplace
from tiffin.audit import audit
from tiffin.events.consumer import Consumer
from tiffin.events.progress import has_caught_up
from tiffin.events.runner import ConsumerRunner
from tiffin.rpc import contracts as c
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.sharding.moving.move import Move
from tiffin.sharding.moving.mover import Mover
from tiffin.sharding.moving.planning import Leg
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

CUSTOMERS = 2
WITHIN_S = 60.0


class Town(Marketplace):
    """All of them are on the first node."""

    customers: list[str]

    @property
    def leg(self) -> Leg:
        """From the first node to the second, with everybody."""
        origin, goal = self.router.nodes
        return Leg(
            origin.name,
            goal.name,
            {
                "customer": sorted({shard_of(customer) for customer in self.customers}),
                "restaurant": [shard_of(self.restaurant)],
            },
        )


@asynccontextmanager
async def settled(
    nodes: list[Node], clock: ManualClock, new_id: Callable[[str], str]
) -> AsyncGenerator[Town]:
    """A town. Moves that a failed test leaves are ended with it."""
    router = await Router.open(nodes)

    def here(kind: str) -> str:
        dimension = "restaurant" if kind == "restaurant" else "customer"
        while router.node(dimension, shard_of(name := new_id(kind))) is not nodes[0]:
            pass
        return name

    town = Town(router, clock, new_id)
    town.customer, town.restaurant = here("customer"), here("restaurant")
    town.customers = [town.customer, *(here("customer") for _ in range(CUSTOMERS - 1))]
    for customer in town.customers:
        await town.add_customer(customer)
    await town.add_restaurant(town.restaurant)
    yield town
    await town.close()
    mover = Mover(nodes)
    for left in await mover.open_moves():  # as a failed test leaves them
        await (
            mover.go_back(left)
            if left.step in ("switching", "following", "going_back")
            else mover.cancel(left)
        )


@asynccontextmanager
async def copying(router: Router, clock: ManualClock) -> AsyncGenerator[None]:
    """The restaurant dimension is kept while this is entered, and up to date when it is left."""
    consumer = Consumer(RestaurantCopy.name, RestaurantCopy(router).handle)
    tasks = [asyncio.create_task(ConsumerRunner(consumer, node, clock).run()) for node in router.nodes]
    try:
        yield
        for node in router.nodes:
            assert await has_caught_up(node, RestaurantCopy.name, WITHIN_S)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Load:
    """Customers who order one after the other, and a restaurant that takes every order."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.accepted: list[str] = []
        self.errors: list[BaseException] = []
        self._is_wanted = True

    async def order(self, customer: str) -> None:
        while self._is_wanted:
            try:
                order = await self.town.place(customer=customer)
                await self.town.say(order, "accepted", "restaurant")
                self.accepted.append(order.id)
                found = await self.town.orders.get(
                    self.town.context("customer", customer), c.OrderRef(order_id=order.id)
                )
                assert found.state == "preparing"
            except Exception as error:
                self.errors.append(error)

    @asynccontextmanager
    async def __call__(self) -> AsyncGenerator[None]:
        tasks = [asyncio.create_task(self.order(customer)) for customer in self.town.customers]
        try:
            yield
        finally:
            self._is_wanted = False
            await asyncio.gather(*tasks)


async def all_is_there(town: Town, orders: list[str]) -> None:
    for order_id in orders:
        order = await town.orders.get(town.context("operator"), c.OrderRef(order_id=order_id))
        assert order.state == "preparing"
        timeline = await town.orders.timeline(town.context("operator"), c.OrderRef(order_id=order_id))
        assert [event.version for event in timeline.events] == [1, 2]


async def is_clean(town: Town) -> None:
    """Both dimensions, the places of everything, the log and the deadlines fit together."""
    report = await audit(town.router, town.clock)
    wrong = [
        found for found in report.differences if found.check in ("dimensions", "places", "log", "deadlines")
    ]
    assert wrong == []


async def nothing_is_left(nodes: list[Node], move: Move) -> None:
    """No slot, publication, subscription, nor a table that is no partition."""
    for node in nodes:
        left = await node.fetch(
            "SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE $1 || '%'"
            " UNION ALL SELECT pubname FROM pg_publication WHERE pubname LIKE $1 || '%'"
            " UNION ALL SELECT subname FROM pg_subscription WHERE subname LIKE $1 || '%'"
            " UNION ALL SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition"
            r" AND relname ~ '_\d{3}$'",
            move.there,
        )
        assert [row[0] for row in left] == []
