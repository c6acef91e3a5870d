"""What the payments tests work with."""

import asyncio
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec

from manual_clock import ManualClock
from tiffin.events.event import Event
from tiffin.primitives.clock import from_text, to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.ledger.policies import KnownPolicies
from tiffin.services.payments.ledger.service import LedgerService
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.services.payments.ledger.store import LedgerStore
from tiffin.services.payments.outcomes import Provider
from tiffin.services.payments.payment import Payment, Wanted, start, to_contract
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.service import PaymentsService
from tiffin.sharding import order_id as ids
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.router import Router
from tiffin.sharding.slots import slot_of

SECRET = b"a secret between the two"
WAIT_S = 10
PATIENT_S, IMPATIENT_S = 20.0, 0.3
"""How long a service waits for the sandbox; a lost reply costs a test the shorter one."""


def payment_for(order: c.Order, suffix: str, source: str = "tok_ok", at_once: bool = True) -> Payment:
    """A payment that is on no record, to talk to a provider about."""
    now = from_text(order.placed_at)
    wanted = Wanted(suffix, "card", "sandbox", order.total.amount, source, at_once)
    return start(order, wanted, now, now, "t").payment


class Desk:
    """Stands for the orders service: what payments ask of it, by the same words and refusals."""

    def __init__(self) -> None:
        self.orders: dict[str, c.Order] = {}
        self.events: dict[str, list[c.OrderEvent]] = {}
        self.told: list[str] = []
        self.away = False

    async def get(self, context: c.CallContext, request: c.OrderRef) -> c.Order:
        order = self.orders.get(request.order_id)
        caller = context.caller
        if order is None or (caller.role == "customer" and caller.id != order.customer_id):
            raise Refusal("order_not_found", "no such order")
        return order

    async def advance(self, context: c.CallContext, request: c.AdvanceOrder) -> c.Order:
        if self.away:
            raise ConnectionError("the orders service is away")
        assert (context.caller.role, context.caller.id) == ("system", "payments")
        self.told.append(request.order_id)
        order = await self.get(context, c.OrderRef(order_id=request.order_id))
        if request.event == "cancelled" and order.state not in ("cancelled", "completed"):
            return self.put(order, "cancelled")
        if order.state != "awaiting_payment" or request.event != "paid":
            raise Refusal("wrong_state", "not any more")
        return self.put(order, "awaiting_acceptance")

    async def terms(self, context: c.CallContext, request: c.OrdersNamed) -> c.OrderTermsList:
        orders = [self.orders[order_id] for order_id in request.order_ids if order_id in self.orders]
        return c.OrderTermsList(
            orders=[
                c.OrderTerms(
                    order_id=order.id, customer_id=order.customer_id, restaurant_id=order.restaurant_id,
                    subtotal=order.total.amount, delivery_fee=0, total=order.total.amount,
                    currency=order.total.currency, payment_method=order.payment_method,
                    placed_at=order.placed_at,
                )
                for order in orders
            ]
        )  # fmt: skip

    async def timeline(self, context: c.CallContext, request: c.OrderRef) -> c.Timeline:
        return c.Timeline(order_id=request.order_id, events=self.events.get(request.order_id, []))

    def put(self, order: c.Order, state: str) -> c.Order:
        self.orders[order.id] = msgspec.structs.replace(order, state=state, version=order.version + 1)
        return self.orders[order.id]


class Inbox:
    """Where webhooks arrive."""

    def __init__(self) -> None:
        self.url = ""
        self.payments: PaymentsService | None = None
        self.arrived: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.failed = asyncio.Event()

    async def take(self, body: str, signature: str) -> bool:
        if self.payments is None:
            self.failed.set()
            return False
        context = new_context("system", "provider", self.payments._clock())
        taken = await self.payments.take_notice(context, c.ProviderNotice(body=body, signature=signature))
        self.arrived.put_nowait((body, signature))
        return taken.known

    async def next(self, payment_id: str) -> tuple[str, str]:
        """The next notice about a payment, once the service has taken it."""
        async with asyncio.timeout(WAIT_S):
            while True:
                body, signature = await self.arrived.get()
                if msgspec.json.decode(body)["key"] == payment_id:
                    return body, signature


class Bench:
    """A payments service and the hands to try it with."""

    def __init__(
        self,
        router: Router,
        clock: ManualClock,
        inbox: Inbox,
        session: aiohttp.ClientSession,
        sandbox_url: str,
    ) -> None:
        self.router, self.clock, self.desk, self.inbox = router, clock, Desk(), inbox
        self._session, self._sandbox_url = session, sandbox_url
        self._services: list[PaymentsService] = []
        self.books = LedgerStore(router)
        self.fees = KnownPolicies(router.directory, clock)
        self.ledger = LedgerService(self.books, Settlements(router), self.fees, clock)
        self.provider = self.provider_at(sandbox_url)
        self.payments = self.service(self.provider)
        self.impatient = self.service(self.provider_at(sandbox_url, IMPATIENT_S))
        """An instance for replies that never come."""
        self.cut_off = self.service(self.provider_at("http://127.0.0.1:9"))
        """An instance that cannot reach the provider."""
        self.later = self.service(self.provider, at_once=False)
        """An instance that authorises first."""
        self.later_impatient = self.service(self.provider_at(sandbox_url, IMPATIENT_S), at_once=False)
        self.consumer = self.consumer_of(self.payments)
        self._lasting = len(self._services)

    def consumer_of(self, service: PaymentsService) -> PaymentsConsumer:
        """The reader of the log beside an instance."""
        return PaymentsConsumer(service.settlement, self.desk, self.clock)

    def provider_at(self, url: str, timeout_s: float = PATIENT_S) -> SandboxProvider:
        return SandboxProvider(self._session, url, self.inbox.url, SECRET, timeout_s)

    def quiet_provider(self) -> SandboxProvider:
        """One whose notices go nowhere: they would do some steps in a test's stead, now these, now those."""
        nowhere = "http://127.0.0.1:9/notices"
        return SandboxProvider(self._session, self._sandbox_url, nowhere, SECRET, PATIENT_S)

    def service(
        self, provider: Provider, at_once: bool = True, ledger: c.Ledger | None = None
    ) -> PaymentsService:
        """Another instance, as another process has it."""
        service = PaymentsService(
            self.router,
            self.desk,
            provider,
            self.clock,
            lambda: uuid4().hex,
            at_once,
            ledger=ledger or self.ledger,
        )
        self._services.append(service)
        return service

    def order(self, state: str = "awaiting_payment", method: str = "online", amount: int = 1250) -> c.Order:
        """A new order at the desk."""
        customer = f"c-{uuid4().hex[:12]}"
        now = to_text(self.clock())
        order = c.Order(
            id=str(ids.make(uuid4().int % (1 << 40) + 1, slot_of(customer), 7)),
            state=state, version=1, customer_id=customer, restaurant_id="r-1", lines=[],
            subtotal=c.Money(amount=amount, currency="EUR"),
            delivery_fee=c.Money(amount=0, currency="EUR"),
            total=c.Money(amount=amount, currency="EUR"),
            payment_method=method,
            address=c.Address(
                id="a-1", label="home", street="Street 1", city="Town",
                place=c.Place(latitude=1.0, longitude=2.0),
            ),
            placed_at=now, updated_at=now,
        )  # fmt: skip
        self.desk.orders[order.id] = order
        return order

    def as_customer(self, order: c.Order) -> c.CallContext:
        return new_context("customer", order.customer_id, self.clock())

    async def pay(
        self,
        order: c.Order,
        source: str = "tok_ok",
        service: PaymentsService | None = None,
        amount: int | None = None,
        key: str | None = None,
    ) -> c.Payment:
        money = None if amount is None else c.Money(amount=amount, currency="EUR")
        request = c.PayOrder(order_id=order.id, source=source, key=key, amount=money)
        return await (service or self.payments).pay(self.as_customer(order), request)

    async def pay_by_balance(
        self,
        order: c.Order,
        service: PaymentsService | None = None,
        amount: int | None = None,
        key: str | None = None,
    ) -> c.Payment:
        money = None if amount is None else c.Money(amount=amount, currency="EUR")
        request = c.PayOrder(order_id=order.id, method="balance", key=key, amount=money)
        return await (service or self.payments).pay(self.as_customer(order), request)

    async def owe(self, order: c.Order, amount: int) -> None:
        """The order's customer has so much to pay with."""
        credit, cost = accounts.credit(order.customer_id), accounts.COMPENSATION
        postings = [c.Posting(account=cost, amount=-amount), c.Posting(account=credit, amount=amount)]
        entry = c.EnterEntry(order_id=order.id, fact="goodwill", currency="EUR", postings=postings)
        await self.ledger.enter(self.as_platform(), entry)

    async def accounts_of(self, order: c.Order) -> dict[str, int]:
        """What the order's customer has in each account, once the ledger has heard of everything so far."""
        reader = LedgerConsumer(self.books, self.desk, self.fees, self.clock)  # type: ignore[arg-type]
        await reader.handle(await self.events(order))
        names = (accounts.credit, accounts.held, accounts.customer)
        found: dict[str, int] = {}
        for name in (each(order.customer_id) for each in names):
            held = await self.books.balance(name)
            found[name.partition(":")[0]] = sum(money.amount for money in held)
        return found

    def cancel(self, order: c.Order) -> c.Order:
        order = msgspec.structs.replace(self.desk.orders[order.id], updated_at=to_text(self.clock()))
        return self.desk.put(order, "cancelled")

    async def settle(self, service: PaymentsService | None = None) -> None:
        """Let enough time pass for everything open to be due, and settle until nothing is."""
        self.clock.advance(61)
        while await (service or self.payments).settlement.settle_due(1000):
            pass

    async def state(self, payment: c.Payment) -> str:
        found = await self.payments.settlement.store.find(payment.id)
        assert found is not None
        return to_contract(found).state

    async def row(self, payment: c.Payment) -> Payment:
        found = await self.payments.settlement.store.find(payment.id)
        assert found is not None
        return found

    def as_platform(self) -> c.CallContext:
        return new_context("system", "reverse", self.clock())

    async def refund(
        self,
        order: c.Order,
        amount: int,
        key: str = "case-1",
        service: PaymentsService | None = None,
        payment: c.Payment | None = None,
    ) -> c.Refund:
        request = c.RefundPayment(
            order_id=None if payment else order.id, payment_id=payment and payment.id,
            amount=c.Money(amount=amount, currency="EUR"), key=key, reason="cold",
        )  # fmt: skip
        return await (service or self.payments).refund(self.as_platform(), request)

    async def events(self, order: c.Order) -> list[Event]:
        """What the log says of an order's payments, oldest first."""
        rows = await self.router.node("customer", customer_shard(int(order.id))).fetch(
            "SELECT xid::text::bigint AS xid, position, key, version, type, data FROM log.events"
            " WHERE stream = 'payment' AND key LIKE $1 ORDER BY xid, position",
            f"{order.id}-%",
        )
        return [self.event("payment", row["key"], row["version"], row["type"], row["data"]) for row in rows]

    def order_event(self, order: c.Order, type: str) -> Event:
        data = c.OrderEvent(
            order_id=order.id, version=order.version, type=type, from_state="awaiting_payment",
            to_state=order.state, actor=c.Caller(role="system", id="sweeper"), at=order.updated_at,
            request_id="r", customer_id=order.customer_id, restaurant_id=order.restaurant_id,
        )  # fmt: skip
        return self.event("order", order.id, order.version, type, msgspec.json.encode(data).decode())

    def event(self, stream: Any, key: str, version: int, type: str, data: str) -> Event:
        shard = customer_shard(int(key.partition("-")[0]))
        return Event(1, 1, 1, "customer", shard, stream, key, version, type, data, self.clock(), "t")

    async def only_payment(self, order: c.Order) -> c.Payment:
        (payment,) = await self.all_payments(order)
        return payment

    async def all_payments(self, order: c.Order) -> list[c.Payment]:
        asked = c.PaymentsOf(order_id=order.id)
        return (await self.payments.list_payments(self.as_customer(order), asked)).payments

    async def history(self, payment: c.Payment) -> list[str]:
        """What the log says of a payment; versions must have no gap."""
        rows = await self.router.node("customer", customer_shard(int(payment.order_id))).fetch(
            "SELECT version, type, data FROM log.events WHERE key = $1 ORDER BY version",
            payment.id,
        )
        assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
        for row in rows:
            event = msgspec.json.decode(row["data"], type=c.PaymentEvent)
            assert (event.version, event.type, event.order_id) == (
                row["version"],
                row["type"],
                payment.order_id,
            )
        return [row["type"].removeprefix("payment.") for row in rows]

    async def statement(self, order: c.Order) -> list[tuple[str, int]]:
        """What the provider's own statement says of an order: kinds and amounts."""
        return (await self.statement_of_all()).get(order.id, [])

    async def statement_of_all(self) -> dict[str, list[tuple[str, int]]]:
        """The same by order."""
        lines: list[Any] = []
        after = 0
        while True:
            async with self._session.get(f"{self._sandbox_url}/statement?after={after}") as response:
                page = await response.json()
            if not page["lines"]:
                break
            lines += page["lines"]
            after = page["next_after"]
        moved: dict[str, list[tuple[str, int]]] = {}
        for line in lines:
            moved.setdefault(line["key"].partition("-")[0], []).append((line["kind"], line["amount"]))
        return moved

    async def close_lent(self) -> None:
        """End what a test has started: each instance keeps connections, and the server has so many."""
        lent, self._services = self._services[self._lasting :], self._services[: self._lasting]
        for service in lent:
            await service.close()

    async def close(self) -> None:
        for service in self._services:
            await service.close()
