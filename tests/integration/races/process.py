"""A process of the platform: its services on a router of its own, as `tiffin up` puts them together."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from integration.races.slow import meet_before
from tiffin.primitives.errors import Unavailable
from tiffin.rpc.context import CallContext, Role, new_context
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.service import OrdersService
from tiffin.services.orders.store import OrderStore
from tiffin.services.orders.sweeper import sweep
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.ledger.policies import KnownPolicies as KnownFees
from tiffin.services.payments.ledger.service import LedgerService
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.services.payments.ledger.store import LedgerStore
from tiffin.services.payments.outcomes import Provider
from tiffin.services.payments.service import PaymentsService
from tiffin.services.restaurants.consumers import StockConsumer
from tiffin.services.restaurants.service import RestaurantsService
from tiffin.services.restaurants.stock_store import StockStore
from tiffin.services.reverse.carrying import Carrier
from tiffin.services.reverse.consumers import ReverseConsumer
from tiffin.services.reverse.erasure import Erasure
from tiffin.services.reverse.facts import Facts
from tiffin.services.reverse.policies import KnownPolicies
from tiffin.services.reverse.service import ReverseService
from tiffin.services.reverse.store import CaseStore
from tiffin.services.users.customers import Customers
from tiffin.services.users.store import CustomerStore
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence as OrderNumbers

POLICY = Policy()
DUE_MAX = 1000


class Process:
    """All services of one process, which call one another directly, and its loops."""

    def __init__(
        self, router: Router, clock: Callable[[], Any], provider: Provider, *, tells_orders: bool = True
    ) -> None:
        """Without `tells_orders` nothing that payments and cases want of an order reaches it."""
        self.router, self.clock = router, clock
        self.users = Customers(CustomerStore(router), clock)
        self.stock = StockStore(router, clock)
        self.restaurants = RestaurantsService(router, self.stock, clock)
        self.orders = OrdersService(
            OrderStore(router), OrderNumbers(router.directory), self.restaurants, self.users, clock, POLICY
        )
        orders: Any = self.orders if tells_orders else _Deaf(self.orders)
        books, fees = LedgerStore(router), KnownFees(router.directory, clock)
        self.ledger = LedgerService(books, Settlements(router), fees, clock)
        self.payments = PaymentsService(
            router, orders, provider, clock, lambda: uuid4().hex, ledger=self.ledger
        )
        cases, policies = CaseStore(router), KnownPolicies(router.directory, clock)
        self.carrier = Carrier(cases, orders, self.payments, self.ledger, policies, clock)
        facts = Facts(self.orders, self.ledger, policies)
        self.reverse = ReverseService(cases, facts, policies, self.carrier, clock, lambda: uuid4().hex[:12])
        self.copy = RestaurantCopy(router)
        self.payments_reader = PaymentsConsumer(self.payments.settlement, orders, clock)
        self.ledger_reader = LedgerConsumer(books, orders, fees, clock)
        self.reverse_reader = ReverseConsumer(cases, self.carrier, Erasure(router))
        self.stock_reader = StockConsumer(self.stock, self.orders, clock)
        self.readers: tuple[Any, ...] = (
            self.copy, self.stock_reader, self.payments_reader, self.ledger_reader, self.reverse_reader,
        )  # fmt: skip
        meet_before(self.orders._store, "place", "move")
        meet_before(self.payments.settlement.store, "start", "change", "change_all", "collect")
        meet_before(cases, "open", "move", "copy")
        meet_before(books, "enter", "enter_and_tell")

    def as_(self, role: Role, caller_id: str) -> CallContext:
        return new_context(role, caller_id, self.clock(), 60_000)

    async def sweep(self) -> int:
        """What the loop `orders.deadlines` does."""
        return sum([await sweep(node, self.clock, POLICY) for node in self.router.nodes])

    async def settle(self) -> int:
        """What the loop `payments.settle` does."""
        return await self.payments.settlement.settle_due(DUE_MAX)

    async def work(self) -> bool:
        """What the loop `reverse.work` does."""
        return any([await self.carrier.work(node) for node in self.router.nodes])

    async def close(self) -> None:
        await self.orders.close()
        await self.payments.close()
        await self.stock.close()


class _Deaf:
    """An orders service that tells, and does not hear what it is told."""

    def __init__(self, orders: OrdersService) -> None:
        self._orders = orders

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        return getattr(self._orders, name)

    async def advance(self, context: object, request: object) -> None:
        raise Unavailable("peer_unavailable", "orders is away")
