"""A marketplace with a till and books: orders carried to their end, and what the ledger makes of them."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from manual_clock import ManualClock
from marketplace import Marketplace
from tiffin.events.event import Event
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role, new_context
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.ledger.entry import Entry
from tiffin.services.payments.ledger.policies import KnownPolicies
from tiffin.services.payments.ledger.service import LedgerService
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.services.payments.ledger.store import LedgerStore
from tiffin.services.payments.outcomes import Provider
from tiffin.services.payments.service import PaymentsService
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.router import Router

_COLUMNS = "xid::text::bigint, position, 0, dimension, shard, stream, key, version, type, data, at, trace"
_WAY: Sequence[tuple[str, Role]] = (
    ("accepted", "restaurant"), ("courier_assigned", "courier"), ("prepared", "restaurant"),
    ("picked_up", "courier"), ("delivered", "courier"), ("completed", "customer"),
)  # fmt: skip


class Books:
    """A market of its own: its customer, its restaurant, a courier of its own, its ledger."""

    def __init__(self, market: Marketplace, provider: Provider) -> None:
        self.market, self.router, self.clock = market, market.router, market.clock
        self.courier = market.new_id("courier")
        self.store, self.settlements = LedgerStore(self.router), Settlements(self.router)
        self.policies = KnownPolicies(self.router.directory, self.clock)
        self.ledger = LedgerService(self.store, self.settlements, self.policies, self.clock)
        self.payments = PaymentsService(
            self.router, market.orders, provider, self.clock, lambda: uuid4().hex[:8], at_once=True,
            ledger=self.ledger,
        )  # fmt: skip
        self.consumer = LedgerConsumer(self.store, market.orders, self.policies, self.clock)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, router: Router, clock: ManualClock, new_id: Callable[[str], str], provider: Provider
    ) -> AsyncGenerator["Books"]:
        async with Marketplace.open(router, clock, new_id) as market:
            books = cls(market, provider)
            yield books
            await books.payments.close()

    def as_(self, role: Role, caller_id: str = "op") -> c.CallContext:
        return new_context(role, caller_id, self.clock())

    async def order(
        self, method: str = "online", until: str = "completed", source: str = "tok_ok"
    ) -> c.Order:
        """A new order, paid if it is to be, and brought to an event."""
        order = await self.market.place(payment_method=method)
        if method == "online":
            await self.pay(order, source)
        for event, role in _WAY:
            caller = self.courier if role == "courier" else None
            order = await self.market.say(order, event, role, caller)
            if event == until:
                return order
        return order

    async def pay(self, order: c.Order, source: str = "tok_ok") -> c.Payment:
        request = c.PayOrder(order_id=order.id, source=source)
        return await self.payments.pay(self.as_("customer", order.customer_id), request)

    async def cancel(self, order: c.Order) -> None:
        """Called off, and given back."""
        await self.market.say(order, "cancelled", "operator")
        await PaymentsConsumer(self.payments.settlement, self.market.orders, self.clock).handle(
            await self.events(order)
        )
        while await self.payments.settlement.settle_due(100):
            pass

    async def events(self, *orders: c.Order) -> list[Event]:
        """What the log says of orders, their payments and entries, as consumers get it."""
        found: list[Event] = []
        for order in orders:
            shard = customer_shard(int(order.id))
            rows = await self.router.node("customer", shard).fetch(
                f"SELECT {_COLUMNS} FROM log.events WHERE shard = $1 AND dimension = 'customer'"
                " AND (key = $2 OR key LIKE $2 || '-%' OR key LIKE $2 || '/%')"
                " ORDER BY log.events.xid, position",
                shard, order.id,
            )  # fmt: skip
            found += [Event(*row) for row in rows]
        return found

    async def settlement_events(self, *settlements: c.Settlement) -> list[Event]:
        return await self.events_named(*(settlement.id for settlement in settlements))

    async def events_named(self, *keys: str) -> list[Event]:
        """What the log says under these keys."""
        found: list[Event] = []
        for node in self.router.nodes:
            rows = await node.fetch(
                f"SELECT {_COLUMNS} FROM log.events WHERE key = ANY($1) ORDER BY log.events.xid, position",
                list(keys),
            )
            found += [Event(*row) for row in rows]
        return found

    async def keep(self, *orders: c.Order) -> None:
        """The ledger hears of these orders."""
        await self.consumer.handle(await self.events(*orders))

    async def entries(self, order: c.Order) -> dict[str, dict[str, int]]:
        """What has been entered for an order: fact to account to amount."""
        entries: list[Entry] = await self.store.entries(customer_shard(int(order.id)), order.id)
        return {entry.fact.partition(":")[0]: dict(entry.postings) for entry in entries}

    async def owed(self, account: str) -> int:
        """An account's balance in the market's only currency; others share the platform's accounts."""
        balances = await self.store.balance(account)
        return sum(held.amount for held in balances if held.currency == "COP")

    async def settle(self, after_days: int = 8) -> list[c.Settlement]:
        """What this market's parties are settled in so many days."""
        self.clock.advance(after_days * 24 * 3600)
        made = await self.settlements.settle_due(self.clock(), uuid4().hex[:12])
        return [each for each in made if each.party in self.parties]

    @property
    def parties(self) -> tuple[str, str]:
        return accounts.restaurant(self.market.restaurant), accounts.courier(self.courier)
