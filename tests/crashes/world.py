"""The services of money in a process that may die, and the hands of everybody who uses them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import aiohttp
import asyncpg
import msgspec

from crashes.clock import SharedClock
from crashes.reader import Reader
from crashes.seam import OWN, Seam
from tiffin.events.consumer import Consumer
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.client import Client
from tiffin.rpc.context import Role, new_context
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.ledger.policies import KnownPolicies as KnownFees
from tiffin.services.payments.ledger.service import LedgerService
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.services.payments.ledger.store import LedgerStore
from tiffin.services.payments.payment import Payment
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.sandbox.webhooks import sign
from tiffin.services.payments.service import PaymentsService
from tiffin.services.reverse.carrying import Carrier
from tiffin.services.reverse.consumers import ReverseConsumer
from tiffin.services.reverse.erasure import Erasure
from tiffin.services.reverse.facts import Facts
from tiffin.services.reverse.policies import KnownPolicies
from tiffin.services.reverse.service import ReverseService
from tiffin.services.reverse.store import CaseStore
from tiffin.sharding.router import Router
from tiffin.sharding.slots import Dimension, shard_of
from tiffin.storage.node import Node

NODE = "crashes"
COURIER = "leo"
SECRET = b"a secret between the two"
NOWHERE = "http://127.0.0.1:9/notices"
PATIENT_S = 30.0
"""How long the provider is waited for: a busy machine is no provider that does not answer."""
MINUTE_S = 61.0
DAY_S = 24 * 3600.0
SETTLE_MAX = 1000

STEPS: Sequence[tuple[str, str]] = (
    ("awaiting_acceptance", "accepted"), ("preparing", "prepared"), ("ready", "picked_up"),
    ("delivering", "delivered"), ("delivered", "completed"), ("completed", ""),
)  # fmt: skip
"""An order's states, and what brings it on."""


_WRITTEN = "SELECT last_value FROM log.events_position_seq"
"""Moves with every event; looking at it costs nothing."""


class Place(NamedTuple):
    """Where everything else is."""

    database: str
    orders: str
    sandbox: str
    clock: str
    customer: str
    """Whose orders all of them are."""


class NearRouter(Router):
    """Looks for what is due only where the orders are. A new backend opens every partition it is asked about
    for the first time: of all shards that would be most of what a crash costs."""

    near = ""

    def shards_on(self, dimension: Dimension, node: Node) -> list[int]:
        return [shard for shard in super().shards_on(dimension, node) if shard == shard_of(self.near)]


class NamingProvider(SandboxProvider):
    """A provider that has names of its own for payments, as Stripe does."""

    async def prepare(self, payment: Payment) -> str:
        return f"ref-{payment.id}"


class World:
    """Payments, ledger and reverse on a real database, beside an orders service and a provider that live on.

    One order at a time. What others do to it has keys of its own, so that all of it may be done again.
    """

    def __init__(
        self, router: Router, orders: c.Orders, session: aiohttp.ClientSession, clock: SharedClock,
        place: Place, seam: Seam,
    ) -> None:  # fmt: skip
        self.node, self.router = router.nodes[0], router
        self.orders, self.clock, self.seam = orders, clock, seam
        self._session, self._sandbox = session, place.sandbox
        self._ask_provider = SandboxProvider(session, place.sandbox, NOWHERE, SECRET, PATIENT_S)
        self._ask_naming = NamingProvider(session, place.sandbox, NOWHERE, SECRET, PATIENT_S)
        self.provider = self._ask_provider
        self.books, self.settlements = LedgerStore(router), Settlements(router)
        fees = KnownFees(router.directory, clock)
        self.ledger = LedgerService(self.books, self.settlements, fees, clock)
        self.payments = PaymentsService(
            router, seam.peer("payments to orders", orders), self._through_seam(), clock,
            lambda: uuid4().hex, ledger=seam.peer("payments to ledger", self.ledger),
        )  # fmt: skip
        self.cases, rules = CaseStore(router), KnownPolicies(router.directory, clock)
        of_reverse: dict[str, Any] = {
            name: seam.peer(f"reverse to {name}", peer)
            for name, peer in (("orders", orders), ("payments", self.payments), ("ledger", self.ledger))
        }
        self.carrier = Carrier(self.cases, *of_reverse.values(), rules, clock)
        self.reverse = ReverseService(
            self.cases, Facts(of_reverse["orders"], of_reverse["ledger"], rules), rules, self.carrier, clock,
            lambda: uuid4().hex[:12],
        )  # fmt: skip
        consumers = (
            PaymentsConsumer(self.payments.settlement, seam.peer("payments to orders", orders), clock),
            LedgerConsumer(self.books, seam.peer("ledger to orders", orders), fees, clock),
            ReverseConsumer(self.cases, self.carrier, Erasure(router)),
        )
        self._readers = [
            Reader(self.node, Consumer(each.name, each.handle, types=each.types), clock) for each in consumers
        ]
        self._heard = 0
        self.order_id = ""
        self.acknowledged: Callable[[str, str], None] = lambda what, of: None

    @classmethod
    @asynccontextmanager
    async def open(cls, place: Place, seam: Seam) -> AsyncIterator["World"]:
        clock = SharedClock(Path(place.clock))
        node = await Node.open(NODE, place.database)
        orders = Client("Orders", [place.orders], clock, lambda: 0.5)
        async with aiohttp.ClientSession() as session:
            router = await NearRouter.open([node])
            router.near = place.customer
            yield cls(router, orders.service, session, clock, place, seam)

    def about(self, order_id: str, at_once: bool, naming: bool) -> None:
        """Turn to an order."""
        self.order_id = order_id
        self.payments._at_once = at_once
        self.provider = self._ask_naming if naming else self._ask_provider

    def _through_seam(self) -> Any:
        return self.seam.peer("provider", _Whichever(self))

    def as_(self, role: Role, caller_id: str = "op", request_id: str | None = None) -> c.CallContext:
        return new_context(role, caller_id, self.clock(), 600_000, request_id)

    async def order(self) -> c.Order:
        return await self.orders.get(self.as_("operator"), c.OrderRef(order_id=self.order_id))

    async def as_customer(self) -> c.CallContext:
        return self.as_("customer", (await self.order()).customer_id)

    async def bring_to(self, state: str) -> None:
        """Whoever carries the order carries it on, as far as it has not got."""
        while True:
            order = await self.order()
            states = [each for each, _ in STEPS]
            if order.state not in states or states.index(order.state) >= states.index(state):
                return
            if order.state == "preparing" and order.courier_id is None:
                await self.say("courier_assigned", courier_id=COURIER)
            await self.say(dict(STEPS)[order.state])

    async def say(self, event: str, **fields: Any) -> None:
        """An operator says that something has happened; what has happened already is left at that."""
        request = c.AdvanceOrder(order_id=self.order_id, event=event, **fields)
        try:
            await self.orders.advance(self.as_("operator"), request)
        except Refusal as refusal:
            if refusal.code != "wrong_state":
                raise

    async def pay(
        self, source: str | None = "tok_ok", key: str = "pay", amount: int | None = None
    ) -> c.Payment | None:
        """The customer pays; without a source from their balance. None: nothing is wanted any more."""
        request = c.PayOrder(
            order_id=self.order_id, source=source, key=key, method="card" if source else "balance",
            amount=None if amount is None else c.Money(amount=amount, currency="COP"),
        )  # fmt: skip
        try:
            payment = await self.payments.pay(await self.as_customer(), request)
        except Refusal as refusal:
            if refusal.code != "payment_not_expected":
                raise
            return None
        self.acknowledged("payment", payment.id)
        return payment

    async def open_case(self, kind: str, role: Role, key: str = "case", **asked: Any) -> c.Case:
        """Somebody opens a case."""
        order = await self.order()
        callers = {"customer": order.customer_id, "restaurant": order.restaurant_id}
        context = self.as_(role, callers.get(role, "op"))
        request = c.OpenCase(idempotency_key=key, order_id=order.id, kind=kind, **asked)
        case = await self.reverse.open(context, request)
        self.acknowledged("case", case.id)
        return case

    async def answer(self, case: c.Case, event: str, role: Role) -> c.Case:
        """Somebody says that something has happened to a case, under one request however often."""
        callers = {"customer": case.customer_id, "restaurant": case.restaurant_id}
        context = self.as_(role, callers.get(role, "op"), f"{event}-{case.id}"[:64])
        return await self.reverse.advance(context, c.AdvanceCase(case_id=case.id, event=event))

    async def case(self, case: c.Case) -> c.Case:
        return await self.reverse.get(self.as_("operator"), c.CaseRef(case_id=case.id))

    async def ask(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """A question of the test's own."""
        return await self.node.fetch(OWN + query, *arguments)

    async def hear(self) -> None:
        """Every reader of the log handles all there is."""
        while (written := await self._written()) != self._heard:
            for reader in self._readers:
                await reader.to_the_end(written)
            self._heard = written

    async def _written(self) -> int:
        (row,) = await self.ask(_WRITTEN)
        return row["last_value"]

    async def settle(self) -> None:
        """Payments and refunds that are open are asked about, until none is due."""
        self.clock.advance(MINUTE_S)
        while await self.payments.settlement.settle_due(SETTLE_MAX):
            pass

    async def work(self, after_s: float = MINUTE_S) -> None:
        """Cases that are due are looked after."""
        self.clock.advance(after_s)
        while await self.carrier.work(self.node):
            pass

    async def round(self) -> None:
        """What the platform does by itself within a minute or two."""
        await self.hear()
        await self.settle()
        await self.work()
        await self.hear()

    async def notice(self, payment: c.Payment, refund: c.Refund | None = None) -> None:
        """The provider's webhook about a payment, or about a refund of it."""
        async with self._session.get(f"{self._sandbox}/charges/{payment.id}") as response:
            told = await response.json()
        if refund is not None:
            while ("refund", -refund.amount.amount) not in [line[1:] for line in await self.statement(0)]:
                await asyncio.sleep(0.005)  # the provider takes its time
            told["refund"] = {
                "key": f"{refund.id}/1", "reference": "re_1", "state": "succeeded",
                "amount": refund.amount.amount,
            }  # fmt: skip
        body = msgspec.json.encode(told).decode()
        signature = sign(body, SECRET, self.clock().timestamp())
        context = new_context("system", "provider", self.clock())
        await self.payments.take_notice(context, c.ProviderNotice(body=body, signature=signature))

    async def settle_parties(self) -> list[c.Settlement]:
        """What restaurants and couriers have earned is put on statements, and paid out."""
        self.clock.advance(8 * DAY_S)
        made = await self.settlements.settle_due(self.clock(), uuid4().hex[:12])
        for settlement in made:
            request = c.RecordPayout(settlement_id=settlement.id, reference=f"bank-{settlement.id}")
            await self.ledger.record_payout(self.as_("operator"), request)
            self.acknowledged("payout", settlement.id)
        return made

    async def statement(self, after: int) -> list[tuple[str, str, int]]:
        """What the provider's own statement says of the order from a line on: payment, kind, amount."""
        lines: list[tuple[str, str, int]] = []
        while True:
            async with self._session.get(f"{self._sandbox}/statement?after={after}") as response:
                page = await response.json()
            if not page["lines"]:
                return [line for line in lines if line[0].startswith(f"{self.order_id}-")]
            lines += [(line["key"], line["kind"], line["amount"]) for line in page["lines"]]
            after = page["next_after"]


class _Whichever:
    """The provider that the order in hand is paid through."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.provider, name)
