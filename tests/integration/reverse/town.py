"""A town with a till, books and cases: orders carried to where a case is about them, and what comes of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from manual_clock import ManualClock
from marketplace import Marketplace
from tiffin.events.event import Event
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role, new_context
from tiffin.services.payments.ledger.policies import KnownPolicies as KnownFees
from tiffin.services.payments.ledger.service import LedgerService
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.services.payments.ledger.store import LedgerStore
from tiffin.services.reverse.carrying import Carrier
from tiffin.services.reverse.case import details_of
from tiffin.services.reverse.consumers import ReverseConsumer
from tiffin.services.reverse.erasure import Erasure
from tiffin.services.reverse.facts import Facts
from tiffin.services.reverse.policies import KnownPolicies
from tiffin.services.reverse.service import ReverseService
from tiffin.services.reverse.store import CaseStore
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

WAY: Sequence[tuple[str, Role, str]] = (
    ("paid", "system", "awaiting_acceptance"),
    ("accepted", "restaurant", "preparing"),
    ("courier_assigned", "courier", "preparing"),
    ("prepared", "restaurant", "ready"),
    ("picked_up", "courier", "delivering"),
    ("delivered", "courier", "delivered"),
    ("completed", "customer", "completed"),
)


class Till:
    """Stands for the payments service: refunds by key, never more than was paid, with faults on demand."""

    def __init__(self) -> None:
        self.paid: dict[str, int] = {}
        self.refunds: dict[tuple[str, str], c.Refund] = {}
        self.asked = 0
        self.state = "succeeded"
        """Of the refunds to come."""
        self.lost = 0
        """So many answers are lost after the deed."""
        self.away = 0
        """So many requests never arrive."""
        self.silent_about: str | None = None
        """Requests about this order get no answer."""

    async def refund(self, context: c.CallContext, request: c.RefundPayment) -> c.Refund:
        self.asked += 1
        assert (context.caller.role, context.caller.id) == ("system", "reverse")
        assert request.order_id is not None
        if request.order_id == self.silent_about:
            await asyncio.Event().wait()
        if self.away:
            self.away -= 1
            raise ConnectionError("the till is away")
        known = self.refunds.get((request.order_id, request.key))
        if known is None:
            if request.order_id not in self.paid:
                raise Refusal("not_refundable", "nothing has been taken")
            if self.back(request.order_id) + request.amount.amount > self.paid[request.order_id]:
                raise Refusal("refund_too_large", "more than was paid")
            now = "2026-06-01T12:00:00.000Z"
            state = "succeeded" if request.to == "balance" else self.state
            part = c.RefundPart(
                payment_id=f"{request.order_id}-p", amount=request.amount, state=state,
                to="balance" if request.to == "balance" else "card",
            )  # fmt: skip
            known = c.Refund(
                id=f"{request.order_id}-{len(self.refunds)}", order_id=request.order_id,
                amount=request.amount, state=state, parts=[part], key=request.key, created_at=now,
                updated_at=now,
            )  # fmt: skip
            self.refunds[request.order_id, request.key] = known
        if self.lost:
            self.lost -= 1
            raise ConnectionError("the answer is lost")
        return known

    def back(self, order_id: str) -> int:
        """What has gone back of an order."""
        return sum(
            refund.amount.amount
            for (of, _), refund in self.refunds.items()
            if of == order_id and refund.state != "failed"
        )

    def on_balance(self, order_id: str) -> int:
        """What of an order the customer is owed now."""
        return sum(
            refund.amount.amount
            for (of, _), refund in self.refunds.items()
            if of == order_id and refund.parts[0].to == "balance"
        )

    def settle(self, state: str) -> None:
        """What is pending gets its outcome."""
        for refund in self.refunds.values():
            if refund.state == "pending":
                refund.state = state


class Town:
    """A market of its own with its till, its ledger and its cases."""

    def __init__(self, market: Marketplace) -> None:
        self.market, self.router, self.clock = market, market.router, market.clock
        self.courier = market.new_id("courier")
        self.till = Till()
        fees = KnownFees(self.router.directory, self.clock)
        self.books = LedgerStore(self.router)
        self.ledger = LedgerService(self.books, Settlements(self.router), fees, self.clock)
        self.store = CaseStore(self.router)
        self.policies = KnownPolicies(self.router.directory, self.clock)
        self.carrier = self._carrier()
        self.reverse = self.process()
        self.consumer = ReverseConsumer(self.store, self.carrier, Erasure(self.router))

    @classmethod
    @asynccontextmanager
    async def open(
        cls, router: Router, clock: ManualClock, new_id: Callable[[str], str]
    ) -> AsyncGenerator["Town"]:
        async with Marketplace.open(router, clock, new_id) as market:
            yield cls(market)

    def _carrier(self) -> Carrier:
        return Carrier(self.store, self.market.orders, self.till, self.ledger, self.policies, self.clock)

    def process(self) -> ReverseService:
        """Another process of the service."""
        return ReverseService(
            self.store,
            Facts(self.market.orders, self.ledger, self.policies),
            self.policies,
            self._carrier(),
            self.clock,
            lambda: uuid4().hex[:12],
        )

    def as_(self, role: Role, caller_id: str | None = None) -> c.CallContext:
        ids = {"customer": self.market.customer, "restaurant": self.market.restaurant}
        return new_context(role, caller_id or ids.get(role, "op"), self.clock(), 60_000)

    async def order(self, state: str, method: str = "online", **changes: Any) -> c.Order:
        """A new order, paid for and brought to a state."""
        order = await self.market.place(payment_method=method, **changes)
        for event, role, reached in WAY:
            if order.state == state and (state != "preparing" or order.courier_id):
                break
            if event == "paid" and method == "cash":
                continue
            caller = self.courier if role == "courier" else None
            order = await self.market.say(order, event, role, caller)
            assert order.state == reached
            if event == ("delivered" if method == "cash" else "paid"):
                self.till.paid[order.id] = order.total.amount
        assert order.state == state
        return order

    async def quote(self, order: c.Order, kind: str, role: Role = "operator", **asked: Any) -> c.CaseQuote:
        return await self.reverse.quote(self.as_(role), c.QuoteCase(order_id=order.id, kind=kind, **asked))

    async def open_case(
        self, order: c.Order, kind: str, role: Role = "customer", key: str | None = None, **asked: Any
    ) -> c.Case:
        request = c.OpenCase(
            idempotency_key=key or uuid4().hex, order_id=order.id, kind=kind, **asked
        )  # fmt: skip
        return await self.reverse.open(self.as_(role), request)

    async def say(self, case: c.Case, event: str, role: Role, **fields: Any) -> c.Case:
        request = c.AdvanceCase(case_id=case.id, event=event, **fields)
        return await self.reverse.advance(self.as_(role), request)

    async def get(self, case: c.Case, role: Role = "operator", caller: str | None = None) -> c.Case:
        return await self.reverse.get(self.as_(role, caller), c.CaseRef(case_id=case.id))

    async def work(self) -> None:
        """A worker looks after everything that is due."""
        for node in self.router.nodes:
            while await self.carrier.work(node):
                pass

    async def case_events(self, node: Node, case: c.Case) -> list[Event]:
        """What a node's log says of a case, as consumers get it."""
        rows = await node.fetch(
            "SELECT xid::text::bigint, position, 0, dimension, shard, stream, key, version, type, data, at,"
            " trace FROM log.events WHERE key = $1 ORDER BY log.events.xid, position",
            case.id,
        )
        return [Event(*row) for row in rows]

    async def entry(self, case: c.Case) -> dict[str, int]:
        """What the ledger has of a case; what has been undone is nothing."""
        number = int(case.order_id)
        entries = await self.books.entries(customer_shard(number), case.order_id)
        found = {entry.fact: dict(entry.postings) for entry in entries}
        return {} if f"reversal:case:{case.id}" in found else found.get(f"case:{case.id}", {})

    async def preview(self, case: c.Case) -> dict[str, int]:
        """What the case is to enter, as it is stored."""
        stored = await self.store.get(case.id)
        assert stored is not None
        return dict(details_of(stored).outcome.postings)

    async def sums(self, order: c.Order) -> tuple[int, int]:
        """What has been claimed of an order, and what was paid."""
        number = int(order.id)
        shard = customer_shard(number)
        row = await self.router.node("customer", shard).fetchrow(
            "SELECT claimed, paid FROM reverse.orders WHERE shard = $1 AND order_id = $2", shard, number
        )
        assert row is not None
        return row["claimed"], row["paid"]
