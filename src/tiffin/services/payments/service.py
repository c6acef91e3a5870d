"""The payments service: the methods of `idl/payments.thrift`."""

from collections.abc import Callable
from datetime import timedelta

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import remaining_s
from tiffin.services.payments import refund
from tiffin.services.payments.outcomes import Outcome, Provider, Refunded, RefundFailed
from tiffin.services.payments.payment import (
    BALANCE,
    Method,
    Payment,
    Wanted,
    order_id_of,
    start,
    to_contract,
)
from tiffin.services.payments.refundable import Refundable
from tiffin.services.payments.settlement import Peers, Settlement
from tiffin.services.payments.states import Happening
from tiffin.services.payments.store import PaymentStore
from tiffin.services.payments.through_balance import BalanceMover
from tiffin.sharding.router import Router

FIRST_CHECK_AFTER_S = 10
"""When a payment that nothing was heard of is first asked about: later than any charge's time limit."""
_START_TRIES_MAX = 5


class PaymentsService:
    """`c.Payments`. Its `settlement` is what the consumer and the loop of `settle_due` work with."""

    def __init__(
        self,
        router: Router,
        orders: c.Orders,
        provider: Provider,
        clock: Clock,
        new_id: Callable[[], str],
        at_once: bool = False,
        *,
        ledger: c.Ledger,
    ) -> None:
        """`new_id` gives suffixes that never repeat: at most 32 of `A-Za-z0-9_.` `at_once`: cards are charged
        when the customer pays; otherwise they are authorised then, and captured on acceptance. `ledger` keeps
        what customers are owed."""
        self._store = PaymentStore(router)
        self._orders = orders
        self._provider = provider
        self._clock = clock
        self._new_id = new_id
        self._at_once = at_once
        self.settlement = Settlement(self._store, Peers(orders, provider, BalanceMover(ledger, clock), clock))
        self._refundable = Refundable(self.settlement, orders, clock)

    async def pay(self, context: c.CallContext, request: c.PayOrder) -> c.Payment:
        """Charge the customer. An order that payments cover already gets no more: the last one is answered,
        after asking what became of it. So is the one that a key names."""
        remaining_s(context, self._clock)
        order = await self._orders.get(context, c.OrderRef(order_id=request.order_id))
        if (context.caller.role, context.caller.id) != ("customer", order.customer_id):
            raise _no_such_order(request.order_id)
        _check_amount(order, request)
        trace, wanted = context.request_id, _wanted(request)
        suffix = refund.digest(request.key) if request.key else self._new_id()
        is_awaited = order.state == "awaiting_payment" and order.payment_method == "online"
        amount = request.amount.amount if request.amount else order.total.amount
        for _ in range(_START_TRIES_MAX):
            if request.key and (known := await self._store.find(f"{order.id}-{suffix}")):
                _check_same(known, request)
                return await self._found_out(known, trace)
            if is_awaited and (begun := await self._begin(order, wanted, suffix, amount, trace)):
                return begun
            payments = await self._store.of_order(int(order.id)) if order.payment_method == "online" else []
            claiming = [payment for payment in payments if payment.is_claiming]
            left = order.total.amount - sum(payment.amount for payment in claiming)
            if request.amount is None and claiming and (left == 0 or not is_awaited):
                return await self._found_out(claiming[-1], trace)
            if not is_awaited or left == 0 or (request.amount and amount > left):
                if request.key and await self._store.find(f"{order.id}-{suffix}"):
                    continue
                raise _not_expected(order, left)
            amount = min(amount, left)
        raise Unavailable("payment_in_progress", "another payment of this order has just ended")

    async def capture_payment(self, context: c.CallContext, request: c.PaymentRef) -> c.Payment:
        """Take what has been authorised; answers what has been taken or is being taken already."""
        return await self._intend(context, request, "capture", ("capturing", "succeeded"))

    async def void_payment(self, context: c.CallContext, request: c.PaymentRef) -> c.Payment:
        """Let go of what has been authorised; answers what has been let go or is being let go already."""
        return await self._intend(context, request, "void", ("voiding", "voided"))

    async def refund(self, context: c.CallContext, request: c.RefundPayment) -> c.Refund:
        """Give some of an order's money back; for the platform's own parts, and for operators what an order
        that fell has left."""
        remaining_s(context, self._clock)
        _check_may_move(context)
        order_id = order_id_of(request.payment_id or f"{request.order_id}-x")
        if order_id is None:
            raise Refusal("payment_not_found", "there is no such payment")
        if context.caller.role == "operator":
            await self._refundable.check_operator(context, order_id)
        await self._refundable.take(order_id, request.payment_id, context.request_id)
        check_at = self._clock() + timedelta(seconds=FIRST_CHECK_AFTER_S)
        parts, is_new = await self.settlement.refunding.begin(request, check_at, context.request_id)
        if is_new:
            for part in parts:
                await self.settlement.refund(part, context.request_id)
            parts = await self._store.refund_parts(parts[0].id)
        return refund.to_contract(parts, request.amount.currency)

    async def find_refund(self, context: c.CallContext, request: c.RefundRef) -> c.Refund:
        """How a refund stands; for operators and the platform's own parts."""
        _check_may_move(context)
        parts = await self._store.refund_parts(request.refund_id)
        payment = await self._store.find(parts[0].payment_id) if parts else None
        if payment is None:
            raise Refusal("refund_not_found", f"no refund {request.refund_id}")
        return refund.to_contract(parts, payment.currency)

    async def list_payments(self, context: c.CallContext, request: c.PaymentsOf) -> c.PaymentList:
        """Every payment tried for an order, oldest first, for its customer, operators and the platform."""
        order = await self._orders.get(context, c.OrderRef(order_id=request.order_id))
        caller = context.caller
        if caller.role not in ("operator", "system") and (caller.role, caller.id) != (
            "customer",
            order.customer_id,
        ):
            raise _no_such_order(request.order_id)
        payments = await self._store.of_order(int(order.id))
        moved = any(payment.captured for payment in payments)
        parts = await self._store.refunds_of_order(int(order.id)) if moved else []
        currency = order.total.currency
        return c.PaymentList(
            payments=[to_contract(payment) for payment in payments],
            captured=c.Money(amount=sum(payment.captured for payment in payments), currency=currency),
            refunding=c.Money(amount=sum(payment.refunding for payment in payments), currency=currency),
            refunded=c.Money(amount=sum(payment.refunded for payment in payments), currency=currency),
            refunds=[refund.to_contract(whole, currency) for whole in refund.whole(parts)],
        )

    async def take_notice(self, context: c.CallContext, request: c.ProviderNotice) -> c.NoticeTaken:
        """Record what a provider says of a payment. Its signature says whose word it is, not who calls."""
        notice = self._provider.read_notice(request.body, request.signature, self._clock())
        payment = await self._store.find(notice.key) if notice else None
        if notice is None or payment is None or payment.provider != self._provider.name:
            return c.NoticeTaken(known=False)
        trace = context.request_id
        if notice.refund_key is None:
            if not isinstance(notice.outcome, Refunded | RefundFailed):
                await self.settlement.record(payment, notice.outcome, trace)
            return c.NoticeTaken(known=True)
        return c.NoticeTaken(known=await self._take_refund_notice(notice.refund_key, notice.outcome, trace))

    async def unsettled(self, context: c.CallContext, request: c.OrderIds) -> c.OrderIds:
        """Those of these orders that have a payment or a refund on its way; for the platform's own parts."""
        remaining_s(context, self._clock)
        if context.caller.role not in ("operator", "system"):
            raise Refusal("forbidden", "only for the platform's own parts")
        numbers = [int(text) for text in request.order_ids if text.isdecimal() and len(text) < 20]
        found = await self._store.unsettled(numbers)
        return c.OrderIds(order_ids=[str(number) for number in sorted(found)])

    async def close(self) -> None:
        """Finish what is being written."""
        await self._store.close()

    async def _begin(
        self, order: c.Order, by: tuple[Method, str], suffix: str, amount: int, trace: str
    ) -> c.Payment | None:
        """A new payment by method and source; None if the order has not so much left to be paid."""
        now, (method, source) = self._clock(), by
        provider = self._provider.name if method == "card" else BALANCE
        wanted = Wanted(suffix, method, provider, amount, source, self._at_once)
        intent = start(order, wanted, now, now + timedelta(seconds=FIRST_CHECK_AFTER_S), trace)
        if not await self._store.start(intent):
            return None
        return to_contract(await self.settlement.charge(intent.payment, trace))

    async def _found_out(self, payment: Payment, trace: str) -> c.Payment:
        if payment.state == "pending":
            payment = await self.settlement.carry_out(payment, trace)
        return to_contract(payment)

    async def _intend(
        self, context: c.CallContext, request: c.PaymentRef, happening: Happening, done: tuple[str, str]
    ) -> c.Payment:
        remaining_s(context, self._clock)
        _check_may_move(context)
        payment = await self._store.find(request.payment_id)
        if payment is None:
            raise Refusal("payment_not_found", f"no payment {request.payment_id}")
        trace = context.request_id
        payment = await self.settlement.intend(payment, happening, trace, context.caller.role)
        if payment.state == done[0]:
            payment = await self.settlement.carry_out(payment, trace)
        if payment.state not in done:
            raise Refusal("wrong_state", f"the payment is {payment.state}", {"state": payment.state})
        return to_contract(payment)

    async def _take_refund_notice(
        self, refund_key: str, outcome: Outcome | RefundFailed | Refunded, trace: str
    ) -> bool:
        refund_id, _, number = refund_key.rpartition("/")
        for part in await self._store.refund_parts(refund_id) if order_id_of(refund_id) else ():
            if str(part.part) == number and isinstance(outcome, Refunded | RefundFailed):
                await self.settlement.record_refund(part, outcome, trace)
                return True
        return False


def _check_amount(order: c.Order, request: c.PayOrder) -> None:
    """A part of the total needs a key: said twice without one, it would be two parts."""
    if request.amount is None:
        return
    if request.key is None:
        raise Refusal("invalid_request", "an amount needs a key")
    if request.amount.currency != order.total.currency:
        raise Refusal("currency_mismatch", f"the order is in {order.total.currency}")
    if not 0 < request.amount.amount <= order.total.amount:
        raise Refusal("invalid_request", "the amount is more than nothing, and at most the order's total")


def _wanted(request: c.PayOrder) -> tuple[Method, str]:
    """By what to pay, and out of what."""
    if request.method == "balance":
        if request.source is not None:
            raise Refusal("invalid_request", "a balance has no source: it is the customer's own")
        return "balance", BALANCE
    if request.source is None:
        raise Refusal("invalid_request", "a card needs a source")
    return "card", request.source


def _check_same(known: Payment, request: c.PayOrder) -> None:
    if (known.method, known.source) != _wanted(request) or (
        request.amount and request.amount.amount != known.amount
    ):
        raise Refusal(
            "idempotency_key_reused", "this key was used for another payment", {"payment_id": known.id}
        )


def _check_may_move(context: c.CallContext) -> None:
    if context.caller.role not in ("operator", "system"):
        raise Refusal("forbidden", "only for operators and the platform's own parts")


def _not_expected(order: c.Order, left: int) -> Refusal:
    details = {"state": order.state, "payment_method": order.payment_method, "left": left}
    return Refusal("payment_not_expected", "this order does not await such a payment", details)


def _no_such_order(order_id: str) -> Refusal:
    return Refusal("order_not_found", f"no order {order_id}")
