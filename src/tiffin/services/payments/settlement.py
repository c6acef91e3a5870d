"""Settling: what the provider says is recorded, orders are told, and what is open is asked about again."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
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
    Mover,
    NeverArrived,
    NoAnswer,
    Outcome,
    Provider,
    RefundOutcome,
    decide,
    decide_refund,
    intend,
)
from tiffin.services.payments.payment import Payment
from tiffin.services.payments.refund import Refund
from tiffin.services.payments.refunding import Refunding
from tiffin.services.payments.states import Happening
from tiffin.services.payments.store import PaymentStore

CHECK_DELAYS_S = (2, 4, 8, 15, 30, 60)
"""From one question to the provider to the next, while it has no answer; the last one repeats."""

GIVE_UP_AFTER_S = 60
"""How long after an order fell a charge that never arrived may still arrive. Far beyond any time limit of
a request; one that comes later all the same is given back (`declined`, `charged` in the table)."""

_TOLD_MAX = 10_000
_ENDED = frozenset(("awaiting_payment", "delivered", "completed", "cancelled"))
"""States of an order that does not fall because its payment was lost."""

_disagreements = Counter(
    "tiffin_payment_disagreements_total", "Answers of the provider that cannot be true by our record."
)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Peers:
    """Whom payments work with."""

    orders: c.Orders
    provider: Provider
    balance: Mover
    clock: Clock


class Settlement:
    """The way of a payment from what is heard to what is recorded. Every step may be repeated by anybody."""

    def __init__(self, store: PaymentStore, peers: Peers) -> None:
        self.store = store
        self.refunding = Refunding(store, peers.clock)
        self._orders = peers.orders
        self._movers: dict[str, Mover] = {mover.name: mover for mover in (peers.provider, peers.balance)}
        self._balance = peers.balance
        self._clock = peers.clock
        self._told: OrderedDict[str, None] = OrderedDict()

    async def charge(self, payment: Payment, trace: str) -> Payment:
        """Ask the provider for the money, and record what it says. The intent is on record."""
        return await self.record(payment, await self._charge(payment), trace)

    async def record(self, payment: Payment, outcome: Outcome, trace: str) -> Payment:
        """Take what the provider said; whoever thereby makes the money certain tells the orders service.

        Returns the payment as it then stands, by whomever it was changed.
        """
        while True:
            decision = decide(payment, outcome, self._clock(), trace)
            if isinstance(decision, Disagreement):
                return self._disagree(payment, decision)
            if decision is None:
                if isinstance(outcome, NoAnswer):
                    _log.warning("provider_no_answer", payment=payment.id, why=outcome.why)
                return payment
            if await self.store.change(decision):
                if (
                    decision.event in ("payment.authorised", "payment.succeeded")
                    and payment.state == "pending"
                ):
                    return await self._try_to_tell_orders(decision.payment, trace)
                return decision.payment
            payment = await self._again(payment.id)

    async def record_refund(self, refund: Refund, outcome: RefundOutcome, trace: str) -> None:
        """Take what the provider said of a part of a refund."""
        while True:
            payment = await self._again(refund.payment_id)
            refund = await self._part_again(refund)  # after the payment, whose version guards both
            decision = decide_refund(payment, refund, outcome, self._clock(), trace)
            if isinstance(decision, Disagreement):
                self._disagree(payment, decision)
                return
            if decision is None:
                if isinstance(outcome, NoAnswer):
                    _log.warning("provider_no_answer", refund=refund.id, why=outcome.why)
                return
            if await self.store.change(decision):
                return

    def has_told(self, payment_id: str) -> bool:
        """Whether this process has told the orders service of the payment, as far as it remembers."""
        return payment_id in self._told

    async def tell_orders(self, payment: Payment, trace: str) -> Payment:
        """Tell the orders service that the money of an order is in, if all of it is; let go of it if the
        order has fallen. Remembered for the consumer, which hears of the same payment from the log.

        Raises what orders raises.
        """
        context, order_ref = self._context(trace), c.OrderRef(order_id=str(payment.order_id))
        if payment.amount < payment.total and not await self._is_covered(payment.order_id):
            order = await self._orders.get(context, order_ref)
            return await self._after_its_end(payment, trace) if order.state == "cancelled" else payment
        try:
            await self._orders.advance(context, c.AdvanceOrder(order_id=order_ref.order_id, event="paid"))
        except Refusal:
            order = await self._orders.get(context, order_ref)
            if order.state == "cancelled":
                return await self._after_its_end(payment, trace)
            if order.state == "awaiting_payment":
                raise
        self._told[payment.id] = None
        if len(self._told) > _TOLD_MAX:
            self._told.popitem(last=False)
        return payment

    async def call_off(self, payment: Payment, trace: str) -> None:
        """An order on its way whose authorisation was lost has nobody who pays for it: it falls.

        Raises what orders raises.
        """
        context, order_ref = self._context(trace), c.OrderRef(order_id=str(payment.order_id))
        order = await self._orders.get(context, order_ref)
        if order.state in _ENDED or await self._is_covered(payment.order_id):
            return
        lost = c.AdvanceOrder(order_id=order_ref.order_id, event="cancelled", reason="payment_lost")
        try:
            await self._orders.advance(context, lost)
        except Refusal:  # perhaps it has ended meanwhile
            order = await self._orders.get(context, order_ref)
            if order.state not in _ENDED:
                raise

    async def let_go(self, payment: Payment, trace: str) -> Payment:
        """The start of voiding or giving back what an order that has fallen was paid with; `settle_due`
        carries it to its end."""
        payment = await self.intend(payment, "void", trace, "order_cancelled")
        if payment.state == "succeeded":  # perhaps only now: it was being captured
            return await self.refunding.give_back(payment, trace)
        return payment

    async def intend(self, payment: Payment, happening: Happening, trace: str, reason: str) -> Payment:
        """Record that an authorisation is to be captured or voided. The payment as it then stands."""
        while True:
            change = intend(payment, happening, self._clock(), trace, reason)
            if change is None:
                return payment
            if await self.store.change(change):
                return change.payment
            payment = await self._again(payment.id)

    async def carry_out(self, payment: Payment, trace: str) -> Payment:
        """Ask the provider what the payment's state wants to know, and record what it says."""
        mover = self._mover(payment)
        if mover is None:
            return payment
        match payment.state:
            case "pending":
                return await self.record(payment, await mover.find(payment), trace)
            case "capturing":
                return await self.record(payment, await mover.capture(payment), trace)
            case "voiding":
                return await self.record(payment, await mover.void(payment), trace)
            case _:
                return payment

    async def refund(self, refund: Refund, trace: str) -> None:
        """Ask the provider for a part of a refund that is on record, and record what it says."""
        payment = await self._again(refund.payment_id)
        mover = self._balance if refund.to_balance else self._mover(payment)
        if mover is not None:
            await self.record_refund(refund, await mover.refund(payment, refund), trace)

    async def settle_due(self, limit: int) -> int:
        """Ask the provider about open payments and refunds whose time has come, up to `limit` of each a node
        and all at once.

        Returns how many. What cannot be settled now is due again later.
        """
        now = self._clock()
        payments = await self.store.lease_due(now, limit, CHECK_DELAYS_S)
        refunds = await self.store.lease_refunds(now, limit, CHECK_DELAYS_S)
        await _all(
            [(payment.id, self._settle(payment)) for payment in payments]
            + [(refund.provider_key, self.refund(refund, _trace(refund.id))) for refund in refunds]
        )
        return len(payments) + len(refunds)

    async def _settle(self, payment: Payment) -> None:
        trace, mover = _trace(payment.id), self._mover(payment)
        if mover is None:
            return
        if payment.state == "authorised":
            await self._before_it_expires(payment, trace)
        elif payment.state == "pending":
            outcome = await mover.find(payment)
            if isinstance(outcome, NeverArrived):
                outcome = await self._after_no_arrival(payment, trace)
            await self.record(payment, outcome, trace)
        else:
            await self.carry_out(payment, trace)

    def _mover(self, payment: Payment) -> Mover | None:
        """Who moves its money; None for one made with a provider that is not configured any more."""
        mover = self._movers.get(payment.provider)
        if mover is None:
            _log.error("payment_of_another_provider", payment=payment.id, provider=payment.provider)
        return mover

    async def _charge(self, payment: Payment) -> Outcome:
        mover = self._mover(payment)
        if mover is None:
            return NoAnswer(f"nobody to ask at {payment.provider}")
        if payment.provider_reference is None:
            reference = await mover.prepare(payment)
            if isinstance(reference, NoAnswer | Declined):
                return reference
            if reference is not None:
                await self.store.refer(payment, reference)
                payment = await self._again(payment.id)
        return await mover.charge(payment)

    async def _before_it_expires(self, payment: Payment, trace: str) -> None:
        """An authorisation lasts days, an order for later may rest as long: it is taken before it is lost."""
        order = await self._orders.get(self._context(trace), c.OrderRef(order_id=str(payment.order_id)))
        if order.state == "cancelled":
            await self._after_its_end(payment, trace)
        else:
            await self.intend(payment, "capture", trace, "expiring")

    async def _after_its_end(self, payment: Payment, trace: str) -> Payment:
        """What becomes of it once its order is cancelled. A case that has called the order off asks for what
        is to go back itself, and may keep some: all it needs is that the money is taken."""
        timeline = await self._orders.timeline(
            self._context(trace), c.OrderRef(order_id=str(payment.order_id))
        )
        if any(event.type == "order.called_off" for event in timeline.events):
            return await self.intend(payment, "capture", trace, "order_called_off")
        return await self.let_go(payment, trace)

    async def _after_no_arrival(self, payment: Payment, trace: str) -> Outcome:
        """Charge after all while the order waits for it (the key makes that safe); else let go."""
        order = await self._orders.get(self._context(trace), c.OrderRef(order_id=str(payment.order_id)))
        if order.state == "awaiting_payment":
            return await self._charge(payment)
        since_s = (self._clock() - from_text(order.updated_at)).total_seconds()
        return Declined(None, "never_charged") if since_s >= GIVE_UP_AFTER_S else NeverArrived()

    async def _is_covered(self, order_id: int) -> bool:
        good = [payment for payment in await self.store.of_order(order_id) if payment.is_good]
        return bool(good) and sum(payment.amount for payment in good) >= good[0].total

    async def _try_to_tell_orders(self, payment: Payment, trace: str) -> Payment:
        """The same where the answer does not depend on it: the consumer will tell them anyway."""
        try:
            return await self.tell_orders(payment, trace)
        except Exception:
            _log.exception("orders_not_told_yet", payment=payment.id)
            return payment

    def _disagree(self, payment: Payment, decision: Disagreement) -> Payment:
        _disagreements.inc()
        _log.error("provider_disagrees", payment=payment.id, what=decision.what)
        return payment

    def _context(self, trace: str) -> c.CallContext:
        return new_context("system", "payments", self._clock(), request_id=trace)

    async def _again(self, payment_id: str) -> Payment:
        found = await self.store.find(payment_id)
        if found is None:
            raise LookupError(f"payment {payment_id} has gone")
        return found

    async def _part_again(self, refund: Refund) -> Refund:
        for part in await self.store.refund_parts(refund.id):
            if part.part == refund.part:
                return part
        raise LookupError(f"refund {refund.provider_key} has gone")


def _trace(of: str) -> str:
    return f"settle:{of}"[:64]


async def _all(steps: Sequence[tuple[str, Awaitable[object]]]) -> None:
    results = await asyncio.gather(*(step for _, step in steps), return_exceptions=True)
    for (name, _), error in zip(steps, results, strict=True):
        if isinstance(error, Exception):
            _log.error("payment_not_settled", payment=name, exc_info=error)
