"""One order of any price, the money paid for it, and its cases: on the real ledger and case store."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

import msgspec

from manual_clock import ManualClock
from tiffin.events.event import Event
from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role, new_context
from tiffin.services.payments.ledger import policy as fees
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.ledger.service import LedgerService
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.services.payments.ledger.store import LedgerStore
from tiffin.services.reverse import policy as rules
from tiffin.services.reverse.carrying import Carrier
from tiffin.services.reverse.facts import Facts
from tiffin.services.reverse.pieces import Sold
from tiffin.services.reverse.service import ReverseService
from tiffin.services.reverse.store import CaseStore
from tiffin.sharding import order_id as ids
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.router import Router
from tiffin.sharding.slots import slot_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACCEPTED_AGO_S = 30
"""An order that is being cooked was accepted so long ago."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Known(NamedTuple):
    """In place of the versions on the directory: those that an example wants."""

    policies: object

    async def get(self) -> object:
        return self.policies


class Till:
    """Stands for the payments service: what has gone back of the order, by key."""

    def __init__(self, paid: int) -> None:
        self.paid = paid
        self.back: dict[str, c.Money] = {}

    async def refund(self, context: c.CallContext, request: c.RefundPayment) -> c.Refund:
        gone = sum(amount.amount for amount in self.back.values())
        if request.key not in self.back and gone + request.amount.amount > self.paid:
            raise Refusal("refund_too_large", "more than was paid")
        self.back.setdefault(request.key, request.amount)
        at = to_text(NOW)
        return c.Refund(
            id=f"{request.order_id}-{request.key}", order_id=str(request.order_id), key=request.key, parts=[],
            amount=self.back[request.key], state="succeeded", created_at=at, updated_at=at,
        )  # fmt: skip


class Desk:
    """Stands for the orders service: one order, whatever it costs and whichever vouchers it was paid with."""

    def __init__(self, sold: Sold) -> None:
        self._sold = sold
        self.state = sold.state

    async def get(self, context: c.CallContext, request: c.OrderRef) -> c.Order:
        sold, at = self._sold, to_text(NOW - timedelta(seconds=ACCEPTED_AGO_S))
        money = {
            name: c.Money(amount=amount, currency=sold.currency)
            for name, amount in (
                ("subtotal", _subtotal(sold)), ("delivery_fee", sold.delivery_fee), ("total", sold.total),
                ("small_order_fee", sold.small_order_fee),
            )
        }  # fmt: skip
        lines = [
            c.PricedLine(item_id="a", name="A", quantity=quantity, unit_price=total // quantity, total=total)
            for quantity, total in sold.lines
        ]
        address = c.Address(
            id="home", label="Home", street="Calle 1", city="Bogota",
            place=c.Place(latitude=4.6, longitude=-74.1),
        )  # fmt: skip
        return c.Order(
            id=str(sold.order_id), state=self.state, version=3, customer_id=sold.customer_id,
            restaurant_id=sold.restaurant_id, lines=lines, address=address, placed_at=at, updated_at=at,
            payment_method="cash" if sold.is_cash else "online", courier_id=sold.courier_id, **money,
        )  # fmt: skip

    async def terms(self, context: c.CallContext, request: c.OrdersNamed) -> c.OrderTermsList:
        sold = self._sold
        discounts = [c.Discount(programme=name, amount=amount) for name, amount in sold.discounts]
        terms = c.OrderTerms(
            order_id=str(sold.order_id), customer_id=sold.customer_id, restaurant_id=sold.restaurant_id,
            subtotal=_subtotal(sold), delivery_fee=sold.delivery_fee, total=sold.total,
            currency=sold.currency,
            payment_method="cash" if sold.is_cash else "online", placed_at=to_text(NOW), discounts=discounts,
            small_order_fee=sold.small_order_fee,
        )  # fmt: skip
        return c.OrderTermsList(orders=[terms])

    async def timeline(self, context: c.CallContext, request: c.OrderRef) -> c.Timeline:
        return c.Timeline(order_id=request.order_id, events=[self._event("accepted", "preparing")])

    async def advance(self, context: c.CallContext, request: c.AdvanceOrder) -> c.Order:
        assert request.event in ("cancelled", "called_off")
        self.state = "cancelled"
        return await self.get(context, c.OrderRef(order_id=request.order_id))

    def completed(self) -> Event:
        """What the log tells of its completion."""
        told = self._event("completed", "completed")
        shard, data = customer_shard(self._sold.order_id), msgspec.json.encode(told).decode()
        return Event(1, 1, 1, "customer", shard, "order", told.order_id, 9, told.type, data, NOW, "t")

    def _event(self, event: str, to_state: str) -> c.OrderEvent:
        sold = self._sold
        return c.OrderEvent(
            order_id=str(sold.order_id), version=2, type=f"order.{event}", to_state=to_state,
            actor=c.Caller(role="operator", id="op"), request_id="r", customer_id=sold.customer_id,
            restaurant_id=sold.restaurant_id, courier_id=sold.courier_id,
            at=to_text(NOW - timedelta(seconds=ACCEPTED_AGO_S)),
        )  # fmt: skip


class Counter:
    """Where cases of one order are opened."""

    def __init__(self, router: Router, sold: Sold, terms: fees.Terms, rules_: rules.Terms) -> None:
        customer = f"customer-{uuid4().hex[:12]}"
        number = ids.make(uuid4().int % (1 << 40) + 1, slot_of(customer), slot_of(sold.restaurant_id))
        self.sold = sold._replace(order_id=number, customer_id=customer)
        self.clock, self.desk = ManualClock(NOW), Desk(self.sold)
        has_paid = sold.state != "awaiting_payment" and (not sold.is_cash or sold.state in _ARRIVED)
        self.till = Till(sold.total if has_paid else 0)
        known_fees = Known(fees.Policies([fees.Policy(1, EPOCH, fees.Fees(default=terms))]))
        known_rules = Known(rules.Policies([rules.Policy(1, EPOCH, rules_)]))
        self.books, self.cases = LedgerStore(router), CaseStore(router)
        self.ledger = LedgerService(self.books, Settlements(router), known_fees, self.clock)  # type: ignore
        carrier = Carrier(self.cases, self.desk, self.till, self.ledger, known_rules, self.clock)  # type: ignore
        self.reverse = ReverseService(
            self.cases, Facts(self.desk, self.ledger, known_rules), known_rules, carrier, self.clock,  # type: ignore
            lambda: uuid4().hex[:12],
        )  # fmt: skip
        self._consumer = LedgerConsumer(self.books, self.desk, known_fees, self.clock)  # type: ignore

    def as_(self, role: Role) -> c.CallContext:
        callers = {"customer": self.sold.customer_id, "restaurant": self.sold.restaurant_id}
        return new_context(role, callers.get(role, "op"), self.clock(), 60_000)

    async def complete(self) -> None:
        """The ledger hears that the order has been completed."""
        await self._consumer.handle([self.desk.completed()])

    async def posted(self, fact: str | None = None) -> dict[str, int]:
        """What has been entered of the order; of all facts, or of one."""
        sums: dict[str, int] = {}
        for entry in await self.books.entries(customer_shard(self.sold.order_id), str(self.sold.order_id)):
            if fact in (None, entry.fact):
                assert entry.currency == self.sold.currency
                for account, amount in entry.postings:
                    sums[account] = sums.get(account, 0) + amount
        return sums

    async def balance(self) -> Mapping[str, int]:
        """What the ledger holds of the customer, whose only order it is."""
        held = await self.books.balance(f"customer:{self.sold.customer_id}")
        return {money.currency: money.amount for money in held}


_ARRIVED = ("delivered", "completed")


def _subtotal(sold: Sold) -> int:
    return sum(total for _, total in sold.lines)
