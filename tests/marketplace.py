"""Orders, restaurants and users together on real databases, and what a test of orders wants of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from manual_clock import ManualClock
from tiffin.events.event import Event
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role, new_context
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.service import OrdersService
from tiffin.services.orders.store import OrderStore
from tiffin.services.orders.sweeper import CLAIM_MAX, sweep
from tiffin.services.restaurants.service import RestaurantsService
from tiffin.services.restaurants.stock_store import StockStore
from tiffin.services.users.customers import Customers
from tiffin.services.users.store import CustomerStore
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.partitions import create_partitions, drop_partitions
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence as OrderNumbers
from tiffin.sharding.slots import Dimension
from tiffin.sharding.topology import move_shards
from tiffin.storage.node import Node

PRICE, EXTRA, FEE = 1000, 150, 300
TIMEOUT_MS = 60_000
POLICY = Policy()
COURIER = "courier-1"

_EVENT_COLUMNS = ", ".join(
    f"xid::text::bigint AS {name}" if name == "xid" else "0 AS day" if name == "day" else name
    for name in Event._fields
)


class Marketplace:
    """One customer, one restaurant, and as many processes of the orders service as wanted."""

    def __init__(self, router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> None:
        self.router = router
        self.clock = clock
        self.new_id = new_id
        self.customer = new_id("customer")
        self.restaurant = new_id("restaurant")
        self.stock = StockStore(router, clock)
        self.restaurants = RestaurantsService(router, self.stock, clock)
        self.users = Customers(CustomerStore(router), clock)
        self._processes: list[OrdersService] = []
        self.orders = self.process()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, router: Router, clock: ManualClock, new_id: Callable[[str], str]
    ) -> AsyncGenerator["Marketplace"]:
        market = cls(router, clock, new_id)
        await market.add_customer(market.customer)
        await market.add_restaurant(market.restaurant)
        try:
            yield market
        finally:
            await market.close()

    async def close(self) -> None:
        """End its processes."""
        for process in self._processes:
            await process.close()
        await self.stock.close()

    def process(self, router: Router | None = None) -> OrdersService:
        """Another process of the orders service, with connections and order numbers of its own."""
        router = router or self.router
        service = OrdersService(
            OrderStore(router),
            OrderNumbers(router.directory),
            self.restaurants,
            self.users,
            self.clock,
            POLICY,
        )
        self._processes.append(service)
        return service

    def context(
        self, role: Role, caller_id: str | None = None, timeout_ms: int = TIMEOUT_MS
    ) -> c.CallContext:
        """A call by this market's customer, restaurant or courier, or by somebody else."""
        ids = {"customer": self.customer, "restaurant": self.restaurant, "courier": COURIER}
        return new_context(role, caller_id or ids.get(role, role), self.clock(), timeout_ms)

    async def add_customer(self, customer_id: str) -> None:
        address = c.Address(
            id="home", label="Home", street="Calle 1", city="Bogota",
            place=c.Place(latitude=4.6, longitude=-74.1),
        )  # fmt: skip
        await self.users.create(
            self.context("customer", customer_id),
            c.CreateCustomer(id=customer_id, name="Ana", addresses=[address]),
        )

    async def add_restaurant(self, restaurant_id: str) -> None:
        hours = [c.OpeningHours(weekday=day, opens="00:00", closes="24:00") for day in range(7)]
        await self.restaurants.create(
            self.context("operator"),
            c.CreateRestaurant(
                id=restaurant_id, name="La Olla", currency="COP", time_zone="America/Bogota",
                place=c.Place(latitude=4.6, longitude=-74.1), delivery_fee=FEE, minimum_subtotal=0,
                hours=hours,
            ),
        )  # fmt: skip
        await self.set_price(PRICE, restaurant_id)

    async def set_price(self, price: int, restaurant_id: str | None = None) -> None:
        """The menu: a soup with an extra, and a cake of which there are only so many."""
        items = [
            c.MenuItem(
                id="soup", name="Ajiaco", price=price,
                options=[c.OptionChoice(id="corn", name="Corn", price=EXTRA)],
            ),
            c.MenuItem(id="cake", name="Cake", price=price, limited=True),
        ]  # fmt: skip
        await self.restaurants.set_menu(
            self.context("operator"), c.SetMenu(restaurant_id=restaurant_id or self.restaurant, items=items)
        )

    async def bake(self, portions: int) -> None:
        await self.restaurants.add_stock(
            self.context("operator"),
            c.AddStock(
                restaurant_id=self.restaurant,
                item_id="cake",
                quantity=portions,
                idempotency_key=self.new_id("oven"),
            ),
        )

    async def held(self) -> int:
        """Portions of cake that are promised to orders."""
        stock = await self.restaurants.get_stock(
            self.context("operator"), c.RestaurantRef(restaurant_id=self.restaurant)
        )
        return sum(level.held for level in stock.items)

    def request(self, key: str | None = None, **changes: Any) -> c.PlaceOrder:
        """Two soups with corn, for cash, now; what is changed is changed."""
        fields: dict[str, Any] = {
            "idempotency_key": key or self.new_id("key"), "restaurant_id": self.restaurant,
            "lines": [c.BasketLine(item_id="soup", quantity=2, options=["corn"])],
            "address_id": "home", "payment_method": "cash",
            "expected_total": c.Money(amount=2 * (PRICE + EXTRA) + FEE, currency="COP"),
        }  # fmt: skip
        return c.PlaceOrder(**{**fields, **changes})

    def cake_request(self, key: str | None = None, **changes: Any) -> c.PlaceOrder:
        """One cake."""
        lines = [c.BasketLine(item_id="cake", quantity=1)]
        return self.request(
            key, lines=lines, expected_total=c.Money(amount=PRICE + FEE, currency="COP"), **changes
        )

    async def place(
        self,
        request: c.PlaceOrder | None = None,
        *,
        orders: OrdersService | None = None,
        customer: str | None = None,
        **changes: Any,
    ) -> c.Order:
        """Place an order, by this market's customer unless told."""
        return await (orders or self.orders).place(
            self.context("customer", customer), request or self.request(**changes)
        )

    async def say(
        self,
        order: c.Order,
        event: str,
        role: Role,
        caller_id: str | None = None,
        *,
        orders: OrdersService | None = None,
        **fields: Any,
    ) -> c.Order:
        """Somebody says that something has happened to an order."""
        request = c.AdvanceOrder(order_id=order.id, event=event, **fields)
        return await (orders or self.orders).advance(self.context(role, caller_id), request)

    async def bring_to(self, state: str) -> c.Order:
        """A new order, brought to a state; from `ready` on it has its courier."""
        ahead = {"awaiting_payment": {"payment_method": "online"}}
        if state == "scheduled":
            ahead["scheduled"] = {"scheduled_for": "2026-06-01T18:00:00Z"}
        order = await self.place(**ahead.get(state, {}))
        for event, role, reached in _WAY:
            if order.state == state:
                return order
            order = await self.say(order, event, role)
            assert order.state == reached
        assert order.state == state
        return order

    async def get(self, order: c.Order, role: Role = "operator", caller_id: str | None = None) -> c.Order:
        return await self.orders.get(self.context(role, caller_id), c.OrderRef(order_id=order.id))

    async def history(self, order: c.Order) -> list[c.OrderEvent]:
        timeline = await self.orders.timeline(self.context("operator"), c.OrderRef(order_id=order.id))
        return timeline.events

    async def sweep(self) -> None:
        """Let the platform act on every deadline that has passed."""
        for node in self.router.nodes:
            while await sweep(node, self.clock, POLICY) == CLAIM_MAX:
                pass

    async def events_of(self, *orders: c.Order) -> list[Event]:
        """What the log says of orders, as consumers get it."""
        found: list[Event] = []
        for node in self.router.nodes:
            rows = await node.fetch(
                f"SELECT {_EVENT_COLUMNS} FROM log.events WHERE key = ANY($1) AND stream = 'order'"
                " ORDER BY log.events.xid, position",
                [order.id for order in orders],
            )
            found += [Event(*row) for row in rows]
        return found

    async def copy(self, *orders: c.Order) -> None:
        """Bring the restaurant dimension up to date for these orders."""
        await RestaurantCopy(self.router).handle(await self.events_of(*orders))

    async def row(self, order: c.Order, dimension: Dimension = "customer") -> dict[str, Any] | None:
        """The stored row of an order in a dimension, but its shard."""
        number = int(order.id)
        customers = dimension == "customer"
        shard = customer_shard(number) if customers else restaurant_shard(number)
        table = "orders" if customers else "orders_by_restaurant"
        found = await self.router.node(dimension, shard).fetchrow(
            f"SELECT * FROM orders.{table} WHERE shard = $1 AND id = $2", shard, number
        )
        return {key: value for key, value in found.items() if key != "shard"} if found else None

    async def pages(self, limit: int = 20, **of: str) -> list[list[c.Order]]:
        """Every page of a list."""
        pages: list[list[c.Order]] = []
        cursor: str | None = None
        while True:
            page = await self.page(cursor=cursor, limit=limit, **of)
            pages.append(page.orders)
            cursor = page.next_cursor
            if cursor is None:
                return pages

    async def page(self, **fields: Any) -> c.OrderPage:
        return await self.orders.list_orders(self.context("operator"), c.ListOrders(**fields))


_WAY: Sequence[tuple[str, Role, str]] = (
    ("accepted", "restaurant", "preparing"),
    ("courier_assigned", "courier", "preparing"),
    ("prepared", "restaurant", "ready"),
    ("picked_up", "courier", "delivering"),
    ("delivered", "courier", "delivered"),
    ("completed", "customer", "completed"),
)


async def refusal_of(call: Any) -> str:
    """The code with which a call is refused."""
    try:
        await call
    except Refusal as refusal:
        return refusal.code
    raise AssertionError("it was not refused")


async def attempt(call: Any) -> c.Order | str:
    """The order, or the code of the refusal."""
    try:
        return await call
    except Refusal as refusal:
        return refusal.code


async def move_shard(nodes: Sequence[Node], dimension: Dimension, shard: int) -> Node:
    """Take a shard to the next node by hand: partitions, rows, what the log says of them, topology."""
    router = await Router.open(nodes)
    old = router.node(dimension, shard)
    new = nodes[(list(nodes).index(old) + 1) % len(nodes)]
    await create_partitions(new, dimension, [shard])
    tables = await old.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class"
        " WHERE relkind = 'p' AND obj_description(oid, 'pg_class') LIKE 'dimension: ' || $1 || '%'",
        dimension,
    )
    for table in [row["name"] for row in tables]:
        await _take_rows(old, new, table, f"shard = {shard}", "*")
    if dimension == "customer":
        columns = "dimension, shard, stream, key, version, type, data, at, trace"
        await _take_rows(old, new, "log.events", f"dimension = 'customer' AND shard = {shard}", columns)
    await move_shards(nodes[0], dimension, [shard], new.name)
    await drop_partitions(old, dimension, [shard])
    return new


async def _take_rows(old: Node, new: Node, table: str, where: str, columns: str) -> None:
    rows = await old.fetch(f"SELECT {columns} FROM {table} WHERE {where}")
    names = f" ({columns})" if columns != "*" else ""
    await asyncio.gather(
        *(
            new.execute(
                f"INSERT INTO {table}{names} VALUES ({', '.join(f'${n + 1}' for n in range(len(row)))})",
                *row.values(),
            )
            for row in rows
        )
    )
