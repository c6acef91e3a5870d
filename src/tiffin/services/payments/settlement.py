"""Settling: what the provider says is recorded, orders are told, and what is open is asked about again."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from tiffin.primitives.clock import Clock, from_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.outcomes import (
    Declined,
    Disagreement,
    NeverArrived,
    NoAnswer,
    Outcome,
    Provider,
    decide,
    refund_for_cancelled_order,
)
from tiffin.services.payments.payment import Payment
from tiffin.services.payments.store import PaymentStore

CHECK_DELAYS_S = (2, 4, 8, 15, 30, 60)
"""From one question to the provider to the next, while it has no answer; the last one repeats."""

GIVE_UP_AFTER_S = 60
"""How long after an order fell a charge that never arrived may still arrive. Far beyond any time limit of
a request; one that comes later all the same is given back (`declined`, `charged` in the table)."""

_TOLD_MAX = 10_000
_disagreements = Counter(
    "tiffin_payment_disagreements_total", "Answers of the provider that cannot be true by our record."
)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Peers:
    """Whom payments work with."""

    orders: c.Orders
    provider: Provider
    clock: Clock


class Settlement:
    """The way of a payment from what is heard to what is recorded. Every step may be repeated by anybody."""

    def __init__(self, store: PaymentStore, peers: Peers) -> None:
        self.store = store
        self._orders = peers.orders
        self._provider = peers.provider
        self._clock = peers.clock
        self._told: OrderedDict[str, None] = OrderedDict()

    async def record(self, payment: Payment, outcome: Outcome, trace: str) -> Payment:
        """Take what the provider said; whoever thereby makes the payment succeed tells the orders service.

        Returns the payment as it then stands, by whomever it was changed.
        """
        while True:
            decision = decide(payment, outcome, self._clock(), trace)
            if isinstance(decision, Disagreement):
                _disagreements.inc()
                _log.error("provider_disagrees", payment=payment.id, what=decision.what)
                return payment
            if decision is None:
                if isinstance(outcome, NoAnswer):
                    _log.warning("provider_no_answer", payment=payment.id, why=outcome.why)
                return payment
            if await self.store.change(decision):
                if decision.payment.state == "succeeded":
                    return await self._try_to_tell_orders(decision.payment, trace)
                return decision.payment
            payment = await self._again(payment)

    def has_told(self, payment_id: str) -> bool:
        """Whether this process has told the orders service of the payment, as far as it remembers."""
        return payment_id in self._told

    async def tell_orders(self, payment: Payment, trace: str) -> Payment:
        """Tell the orders service that a succeeded payment is in; give it back if the order has fallen.

        Remembered for the consumer, which hears of the same payment from the log. Raises what orders raises.
        """
        context = new_context("system", "payments", self._clock(), request_id=trace)
        order_id = str(payment.order_id)
        try:
            await self._orders.advance(context, c.AdvanceOrder(order_id=order_id, event="paid"))
        except Refusal:
            order = await self._orders.get(context, c.OrderRef(order_id=order_id))
            if order.state == "cancelled":
                return await self.give_back(payment, trace)
            if order.state == "awaiting_payment":
                raise
        self._told[payment.id] = None
        if len(self._told) > _TOLD_MAX:
            self._told.popitem(last=False)
        return payment

    async def _try_to_tell_orders(self, payment: Payment, trace: str) -> Payment:
        """The same where the answer does not depend on it: the consumer will tell them anyway."""
        try:
            return await self.tell_orders(payment, trace)
        except Exception:
            _log.exception("orders_not_told_yet", payment=payment.id)
            return payment

    async def give_back(self, payment: Payment, trace: str) -> Payment:
        """Start the refund of a payment whose order has fallen; `settle_due` carries it to its end."""
        while True:
            change = refund_for_cancelled_order(payment, self._clock(), trace)
            if change is None:
                return payment
            if await self.store.change(change):
                return change.payment
            payment = await self._again(payment)

    async def find_out(self, payment: Payment, trace: str) -> Payment:
        """Ask the provider about a pending payment and record what it says."""
        if payment.state != "pending":
            return payment
        return await self.record(payment, await self._provider.find(payment.id), trace)

    async def settle_due(self, limit: int) -> int:
        """Ask the provider about open payments whose time has come, up to `limit` a node and all at once.

        Returns how many. What cannot be settled now is due again later.
        """
        due = await self.store.lease_due(self._clock(), limit, CHECK_DELAYS_S)
        results = await asyncio.gather(*(self._settle(payment) for payment in due), return_exceptions=True)
        for payment, error in zip(due, results, strict=True):
            if isinstance(error, Exception):
                _log.error("payment_not_settled", payment=payment.id, exc_info=error)
        return len(due)

    async def _settle(self, payment: Payment) -> None:
        trace = f"settle:{payment.id}"[:64]
        if payment.state == "refunding":
            outcome = await self._provider.refund(payment.id, f"{payment.id}:refund")
        else:
            outcome = await self._provider.find(payment.id)
            if isinstance(outcome, NeverArrived):
                outcome = await self._after_no_arrival(payment, trace)
        await self.record(payment, outcome, trace)

    async def _after_no_arrival(self, payment: Payment, trace: str) -> Outcome:
        """Charge after all while the order waits for it (the key makes that safe); else let go."""
        context = new_context("system", "payments", self._clock(), request_id=trace)
        order = await self._orders.get(context, c.OrderRef(order_id=str(payment.order_id)))
        if order.state == "awaiting_payment":
            return await self._provider.charge(payment.id, payment.amount, payment.currency, payment.source)
        since_s = (self._clock() - from_text(order.updated_at)).total_seconds()
        return Declined(None, "never_charged") if since_s >= GIVE_UP_AFTER_S else NeverArrived()

    async def _again(self, payment: Payment) -> Payment:
        found = await self.store.find(payment.id)
        if found is None:
            raise LookupError(f"payment {payment.id} has gone")
        return found
