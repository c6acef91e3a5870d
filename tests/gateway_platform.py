"""A gateway on a real socket, over small services that keep what they were asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from manual_clock import ManualClock
from tiffin.gateway.app import Gateway, Limits
from tiffin.gateway.server import Server, serve
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.users.signing import PlatformTokens, platform_key

SECRET = b"a secret that only these tests know, long enough for SHA-512 as well"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
BASKET = [{"item_id": "bandeja", "quantity": 2}]
PLACE: dict[str, Any] = {
    "restaurant_id": "restaurant-1",
    "lines": BASKET,
    "address_id": "home",
    "payment_method": "cash",
    "expected_total": {"amount": 25900, "currency": "COP"},
}


def make_order(order_id: str, state: str = "awaiting_acceptance", version: int = 1) -> c.Order:
    """An order of customer-1 at restaurant-1."""
    money = c.Money(amount=25900, currency="COP")
    return c.Order(
        id=order_id, state=state, version=version, customer_id="customer-1", restaurant_id="restaurant-1",
        lines=[], subtotal=money, delivery_fee=money, total=money, payment_method="cash",
        address=c.Address(
            id="home", label="Home", street="s", city="b", place=c.Place(latitude=4, longitude=-74)
        ),
        placed_at="2026-06-01T12:00:00.000Z", updated_at="2026-06-01T12:00:00.000Z",
    )  # fmt: skip


def make_event(order_id: str, version: int, name: str, to_state: str) -> c.OrderEvent:
    """What happened to an order."""
    return c.OrderEvent(
        order_id=order_id, version=version, type=f"order.{name}", to_state=to_state,
        actor=c.Caller(role="restaurant", id="restaurant-1"), at="2026-06-01T12:00:00.000Z", request_id="r",
        customer_id="customer-1", restaurant_id="restaurant-1",
    )  # fmt: skip


class Recording:
    """Keeps what it was asked, and does what a test says about a request id."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[c.CallContext, Any]] = {}
        self.doing: dict[str, Callable[[], Any]] = {}

    async def note(self, context: c.CallContext, request: Any) -> Any:
        self.asked[context.request_id] = (context, request)
        if do := self.doing.get(context.request_id):
            return await do()
        return None


class OrdersStub(Recording):
    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[str, c.Order] = {}
        self.events: dict[str, list[c.OrderEvent]] = {}

    async def place(self, context: c.CallContext, request: c.PlaceOrder) -> c.Order:
        await self.note(context, request)
        return make_order("1048577")

    async def quote(self, context: c.CallContext, request: c.QuoteRequest) -> c.Quote:
        await self.note(context, request)
        money = c.Money(amount=25900, currency="COP")
        return c.Quote(
            restaurant_id=request.restaurant_id, lines=[], subtotal=money, delivery_fee=money, total=money
        )

    async def get(self, context: c.CallContext, request: c.OrderRef) -> c.Order:
        await self.note(context, request)
        order = self.orders.get(request.order_id)
        if order is None or context.caller.id not in ("customer-1", "restaurant-1"):
            raise Refusal("order_not_found", "there is no such order")
        return order

    async def advance(self, context: c.CallContext, request: c.AdvanceOrder) -> c.Order:
        await self.note(context, request)
        return make_order(request.order_id)

    async def list_orders(self, context: c.CallContext, request: c.ListOrders) -> c.OrderPage:
        await self.note(context, request)
        return c.OrderPage(orders=[])

    async def adopt(self, context: c.CallContext, request: c.AdoptOrders) -> c.Adopted:
        await self.note(context, request)
        return c.Adopted(results=[])

    legacy = adopted = release = adopt

    async def timeline(self, context: c.CallContext, request: c.OrderRef) -> c.Timeline:
        await self.note(context, request)
        return c.Timeline(order_id=request.order_id, events=list(self.events.get(request.order_id, [])))


class RestaurantsStub(Recording):
    def __getattr__(self, name: str) -> Any:
        async def answer(context: c.CallContext, request: Any) -> c.Menu:
            await self.note(context, request)
            return c.Menu(restaurant_id="restaurant-1", currency="COP", version=1, items=[])

        return answer


class UsersStub(RestaurantsStub):
    """Knows the platform's own key, those that a test adds, and which tokens a test has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = [platform_key(SECRET).public_key()]
        self.ended: list[c.Ended] = []
        self.api_keys: dict[str, c.ApiKey] = {}
        self.verifications = self.checks = 0
        self.failing: Callable[[], Any] | None = None

    async def verification(self, context: c.CallContext, request: c.VerificationQuery) -> c.Verification:
        self.verifications += 1
        if self.failing:
            await self.failing()
        return c.Verification(keys=list(self.keys), ended=list(self.ended))

    async def check_api_key(self, context: c.CallContext, request: c.CheckApiKey) -> c.ApiKey:
        self.checks += 1
        if self.failing:
            await self.failing()
        if request.key not in self.api_keys:
            raise Refusal("bad_token", "this API key opens nothing")
        return self.api_keys[request.key]


class PaymentsStub(RestaurantsStub):
    async def pay(self, context: c.CallContext, request: c.PayOrder) -> c.Payment:
        raise NotImplementedError

    async def list_payments(self, context: c.CallContext, request: c.PaymentsOf) -> c.PaymentList:
        await self.note(context, request)
        return c.PaymentList(payments=[])

    async def take_notice(self, context: c.CallContext, request: c.ProviderNotice) -> c.NoticeTaken:
        await self.note(context, request)
        if request.signature != "good":
            raise Refusal("bad_signature", "the signature is not the provider's")
        return c.NoticeTaken(known=True)


class LedgerStub(RestaurantsStub):
    async def settlements_csv(self, context: c.CallContext, request: c.SettlementsOf) -> c.SettlementsCsv:
        await self.note(context, request)
        return c.SettlementsCsv(party=request.party, csv="settlement,amount\r\né,1\r\n")


class FeedStub:
    """A feed that tests speak through."""

    def __init__(self) -> None:
        self.watched: dict[str, asyncio.Queue[c.OrderEvent]] = {}
        self.changed = asyncio.Condition()

    @asynccontextmanager
    async def subscribe(
        self, *, order_id: str | None = None, restaurant_id: str | None = None
    ) -> AsyncIterator[AsyncIterator[c.OrderEvent]]:
        key = order_id or restaurant_id or ""
        queue = self.watched[key] = asyncio.Queue()
        try:
            await self._tell()
            yield _drain(queue)
        finally:
            del self.watched[key]
            await self._tell()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with self.changed:
            await self.changed.wait_for(condition)

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


async def _drain(queue: asyncio.Queue[c.OrderEvent]) -> AsyncIterator[c.OrderEvent]:
    while True:
        yield await queue.get()


class Platform:
    """The gateway, what is behind it, and a client in front of it."""

    def __init__(self, limits: Limits) -> None:
        self.clock = ManualClock(NOW)
        self.tokens = PlatformTokens(SECRET, self.clock)
        self.orders, self.restaurants = OrdersStub(), RestaurantsStub()
        self.users, self.payments, self.ledger = UsersStub(), PaymentsStub(), LedgerStub()
        self.feed = FeedStub()
        self.reached = {"orders": True, "payments": True}
        services = {
            "Orders": self.orders, "Restaurants": self.restaurants,
            "Users": self.users, "Payments": self.payments, "Notifications": RestaurantsStub(),
            "Reverse": RestaurantsStub(), "Webhooks": RestaurantsStub(), "Ledger": self.ledger,
        }  # fmt: skip
        self.gateway = Gateway(
            services, self.clock, feed=self.feed, needs=self._needs,
            registry=CollectorRegistry(), limits=limits,
        )  # fmt: skip
        self.server: Server
        self.http: aiohttp.ClientSession

    async def _needs(self) -> dict[str, bool]:
        return self.reached

    def bearer(self, role: str, subject: str) -> dict[str, str]:
        """The header of a token that holds for an hour."""
        return {"Authorization": f"Bearer {self.tokens.mint(role, subject, 3600)}"}

    @property
    def customer(self) -> dict[str, str]:
        """Headers of customer-1, with a key to place an order."""
        return self.bearer("customer", "customer-1") | {"Idempotency-Key": "a-key"}


@asynccontextmanager
async def running(limits: Limits = Limits()) -> AsyncIterator[Platform]:  # noqa: B008
    """A platform of its own, for a test that needs one."""
    platform = Platform(limits)
    platform.server = await serve(platform.gateway, "127.0.0.1", 0)
    async with aiohttp.ClientSession(platform.server.url, timeout=aiohttp.ClientTimeout(10)) as platform.http:
        yield platform
    await platform.server.stop()


async def problem(response: aiohttp.ClientResponse) -> tuple[int, str]:
    """Status and code of an answer that has to be a complete problem."""
    body = await response.json(content_type="application/problem+json")
    assert body["type"] == f"urn:tiffin:problem:{body['code']}"
    assert body["status"] == response.status
    assert body["title"] and body["detail"]
    assert body["request_id"] == response.headers["X-Request-Id"]
    return response.status, body["code"]
