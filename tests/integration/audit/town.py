"""A small town for the auditor: every service, two nodes, a provider that keeps a statement."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

from manual_clock import ManualClock
from tiffin.audit import Report, StatementLine, audit
from tiffin.events.consumer import Consumer
from tiffin.events.reader import QUERIES as LOG
from tiffin.events.reader import START, Cursor, after, read
from tiffin.events.runner import backlog
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role, new_context
from tiffin.services.orders.archive import AGE_MIN
from tiffin.services.orders.archiver import Archiver
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.service import OrdersService
from tiffin.services.orders.store import OrderStore
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.ledger.policies import KnownPolicies
from tiffin.services.payments.ledger.service import LedgerService
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.services.payments.ledger.store import LedgerStore
from tiffin.services.payments.outcomes import Charged, Declined, Notice, Outcome, Refunded, RefundOutcome
from tiffin.services.payments.payment import Payment
from tiffin.services.payments.refund import Refund
from tiffin.services.payments.service import PaymentsService
from tiffin.services.restaurants.consumers import StockConsumer
from tiffin.services.restaurants.service import RestaurantsService
from tiffin.services.restaurants.stock_store import StockStore
from tiffin.services.users.customers import Customers
from tiffin.services.users.store import CustomerStore
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence as OrderNumbers
from tiffin.storage.node import Node
from unit.restaurants.samples import ALWAYS, item

HOME = c.Address(
    id="home", label="Home", street="Calle 1", city="Cali", place=c.Place(latitude=3, longitude=-76)
)
TABLES = (
    "orders.orders", "orders.orders_by_restaurant", "orders.deadlines", "log.events", "log.cursors",
    "orders.archive", "orders.archive_by_restaurant", "log.moved",
    "users.customers", "restaurants.restaurants", "restaurants.stock", "restaurants.holds",
    "payments.payments", "payments.orders", "payments.refunds", "ledger.entries", "ledger.balances",
    "ledger.dues", "ledger.settlements",
)  # fmt: skip

CARRIED: tuple[tuple[str, Role], ...] = (
    ("accepted", "restaurant"), ("prepared", "restaurant"), ("courier_assigned", "courier"),
    ("picked_up", "courier"), ("delivered", "courier"), ("completed", "customer"),
)  # fmt: skip


class Till:
    """A payment provider that answers at once and keeps a statement."""

    def __init__(self) -> None:
        self.lines: list[StatementLine] = []
        self.charges: dict[str, Charged] = {}

    name = "sandbox"

    async def prepare(self, payment: Payment) -> None: ...

    async def charge(self, payment: Payment) -> Outcome:
        if payment.source == "tok_declined":
            return Declined(None, "insufficient_funds")
        self.lines.append(StatementLine("charge", payment.id, payment.amount, payment.currency))
        self.charges[payment.id] = Charged(payment.id, payment.amount, payment.currency)
        return self.charges[payment.id]

    async def capture(self, payment: Payment) -> Outcome:
        return self.charges[payment.id]

    async def void(self, payment: Payment) -> Outcome:
        return self.charges[payment.id]

    async def find(self, payment: Payment) -> Outcome:
        return self.charges[payment.id]

    async def refund(self, payment: Payment, refund: Refund) -> RefundOutcome:
        self.lines.append(StatementLine("refund", payment.id, -refund.amount, payment.currency))
        return Refunded(refund.provider_key, refund.amount, payment.currency)

    def read_notice(self, body: str, signature: str, now: datetime) -> Notice:
        raise NotImplementedError


@dataclass(frozen=True)
class Row:
    """An order of the town and where it lives."""

    id: int
    truth: Node
    copy: Node

    @property
    def shard(self) -> int:
        return customer_shard(self.id)

    @property
    def copy_shard(self) -> int:
        return restaurant_shard(self.id)

    def __str__(self) -> str:
        return f"order {self.id}"


class Town:
    """Services, hands to use them, and ways to spoil what they stored."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.clock = ManualClock(datetime.now(UTC))
        self.till = Till()
        self.users = Customers(CustomerStore(router), self.clock)
        self.stock = StockStore(router, self.clock)
        self.restaurants = RestaurantsService(router, self.stock, self.clock)
        self.orders = OrdersService(
            OrderStore(router),
            OrderNumbers(router.directory),
            self.restaurants,
            self.users,
            self.clock,
            Policy(),
        )
        books, fees = LedgerStore(router), KnownPolicies(router.directory, self.clock)
        self.ledger = LedgerService(books, Settlements(router), fees, self.clock)
        self.payments = PaymentsService(
            router, self.orders, self.till, self.clock, lambda: uuid4().hex[:8], at_once=True,
            ledger=self.ledger,
        )  # fmt: skip
        readers = (
            RestaurantCopy(router),
            StockConsumer(self.stock, self.orders, self.clock),
            PaymentsConsumer(self.payments.settlement, self.orders, self.clock),
            LedgerConsumer(books, self.orders, fees, self.clock),
        )
        self.consumers = [Consumer(reader.name, reader.handle) for reader in readers]
        self.known: dict[str, Row] = {}
        self._keys = count()

    async def found(self) -> None:
        """Restaurants with a limited dish, customers, and orders of every fate."""
        for number in range(4):
            await self.restaurants.create(
                self.as_("operator"),
                c.CreateRestaurant(
                    id=f"r{number}", name="La Olla", currency="COP", time_zone="America/Bogota",
                    place=HOME.place, delivery_fee=300, minimum_subtotal=0, hours=ALWAYS,
                ),
            )  # fmt: skip
            menu = [item("soup", 800, limited=True), item("stew", 1500)]
            await self.restaurants.set_menu(
                self.as_("operator"), c.SetMenu(restaurant_id=f"r{number}", items=menu)
            )
            stock = c.AddStock(
                restaurant_id=f"r{number}", item_id="soup", quantity=50, idempotency_key="first"
            )
            await self.restaurants.add_stock(self.as_("operator"), stock)
        for number in range(8):
            request = c.CreateCustomer(id=f"c{number}", name="Ana", addresses=[HOME])
            await self.users.create(self.as_("operator"), request)
        await self.place("done", 0, 0)
        for event, role in CARRIED:
            await self.advance("done", event, role)
        await self.place("rejected", 1, 1)
        await self.advance("rejected", "rejected", "restaurant")
        await self.place("waiting", 2, 2, "online")
        await self.place("paid", 3, 3, "online")
        await self.pay("paid", "tok_declined")
        await self.pay("paid")
        await self.place("refunded", 4, 0, "online")
        await self.pay("refunded")
        await self.advance("refunded", "cancelled", "customer")
        await self.place("cash", 5, 1, dishes={"stew": 1})
        await self.place("other", 6, 2)
        await self.pump()
        while await self.payments.settlement.settle_due(100):
            pass
        await self.pump()

    def as_(self, role: Role, caller_id: str = "op") -> c.CallContext:
        return new_context(role, caller_id, self.clock())

    async def place(
        self,
        name: str,
        customer: int,
        restaurant: int,
        method: str = "cash",
        dishes: dict[str, int] | None = None,
    ) -> Row:
        lines = [c.BasketLine(item_id=of, quantity=n) for of, n in (dishes or {"soup": 2, "stew": 1}).items()]
        context = self.as_("customer", f"c{customer}")
        asked = c.QuoteRequest(restaurant_id=f"r{restaurant}", lines=lines)
        quote = await self.orders.quote(context, asked)
        request = c.PlaceOrder(
            idempotency_key=f"k{next(self._keys)}", restaurant_id=f"r{restaurant}", lines=lines,
            address_id="home", payment_method=method, expected_total=quote.total,
        )  # fmt: skip
        number = int((await self.orders.place(context, request)).id)
        truth = self.router.node("customer", customer_shard(number))
        self.known[name] = Row(number, truth, self.router.node("restaurant", restaurant_shard(number)))
        return self.known[name]

    async def advance(self, name: str, event: str, role: Role) -> None:
        order = await self.orders.get(self.as_("operator"), c.OrderRef(order_id=str(self.known[name].id)))
        callers = {"customer": order.customer_id, "restaurant": order.restaurant_id, "courier": "carlos"}
        request = c.AdvanceOrder(order_id=order.id, event=event)
        await self.orders.advance(self.as_(role, callers.get(role, "op")), request)

    async def pay(self, name: str, source: str = "tok_ok") -> None:
        order = await self.orders.get(self.as_("operator"), c.OrderRef(order_id=str(self.known[name].id)))
        request = c.PayOrder(order_id=order.id, source=source)
        await self.payments.pay(self.as_("customer", order.customer_id), request)

    async def pump(self, skip: Sequence[str] = ()) -> None:
        """Let every consumer handle all there is, as its runner would."""
        for node in self.router.nodes:
            for consumer in self.consumers:
                if consumer.name not in skip:
                    await _drain(node, consumer)

    async def archive(self) -> int:
        """Let months go by, and archive whatever has ended. Returns how many orders."""

        async def all_are_settled(order_ids: Sequence[int]) -> set[int]:
            return set()

        archiver = Archiver(self.router, lambda: self.clock() + 2 * AGE_MIN, all_are_settled, AGE_MIN)
        found = [await archiver.archive_node(node) for node in (*self.router.nodes, *self.router.nodes)]
        return sum(each.orders for each in found)

    async def audit(self, wait_s: float = 0, statement: list[StatementLine] | None = None) -> Report:
        said = None if statement is None else lambda: statement
        return await audit(self.router, self.clock, wait_s=wait_s, statement=said)

    async def faults(self, statement: list[StatementLine] | None = None) -> list[tuple[str, str, str]]:
        """What an audit finds: check, subject, what."""
        report = await self.audit(statement=statement)
        assert report.totals.total() == len(report.differences)
        return [(found.check, found.subject, found.what) for found in report.differences]

    @asynccontextmanager
    async def as_it_was(self) -> AsyncIterator[None]:
        """Puts everything back in the end, whatever was spoilt."""
        lines, known = list(self.till.lines), dict(self.known)
        for node in self.router.nodes:
            await node.execute("DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept")
            for table in TABLES:
                await node.execute(f"CREATE TABLE kept.{table.replace('.', '_')} AS TABLE {table}")
        try:
            yield
        finally:
            self.till.lines, self.known = lines, known
            for node in self.router.nodes:
                for table in TABLES:
                    kept = f"kept.{table.replace('.', '_')}"
                    await node.execute(
                        "SET session_replication_role = replica;"  # entries may not be deleted
                        f"DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE {kept};"
                        "RESET session_replication_role"
                    )

    async def close(self) -> None:
        await self.orders.close()
        await self.payments.close()
        await self.stock.close()


async def _drain(node: Node, consumer: Consumer) -> None:
    """To the end. Nothing to read is not the end: a transaction anywhere on the server, another worker's too,
    holds back what came after it began."""
    connection = await node.connect()
    row = await connection.fetchrow(LOG["cursor"], consumer.name)
    cursor = Cursor(*row) if row else START
    while await backlog(node, consumer.name):
        events = await read(connection, cursor)
        if not events:
            await asyncio.sleep(0.005)
            continue
        await consumer.handle(events)
        cursor = after(events[-1])
        await connection.execute(
            LOG["move_cursor"], consumer.name, str(cursor.xid), cursor.position, cursor.day, 0
        )
    await connection.close()
