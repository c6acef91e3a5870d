"""The payments service: the methods of `idl/payments.thrift`."""

from collections.abc import Callable
from datetime import timedelta

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import remaining_s
from tiffin.services.payments.outcomes import Provider
from tiffin.services.payments.payment import Payment, start, to_contract
from tiffin.services.payments.settlement import Peers, Settlement
from tiffin.services.payments.store import PaymentStore
from tiffin.sharding.router import Router

FIRST_CHECK_AFTER_S = 10
"""When a payment that nothing was heard of is first asked about: later than any charge's time limit."""


class PaymentsService:
    """`c.Payments`. Its `settlement` is what the consumer and the loop of `settle_due` work with."""

    def __init__(
        self, router: Router, orders: c.Orders, provider: Provider, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        """`new_id` gives suffixes that never repeat: at most 32 of `A-Za-z0-9_.`"""
        self._store = PaymentStore(router)
        self._orders = orders
        self._provider = provider
        self._clock = clock
        self._new_id = new_id
        self.settlement = Settlement(self._store, Peers(orders, provider, clock))

    async def pay(self, context: c.CallContext, request: c.PayOrder) -> c.Payment:
        """Charge the customer. An order with a payment that is pending or succeeded gets no second one: that
        one is answered, after asking what became of it."""
        remaining_s(context, self._clock)
        order = await self._orders.get(context, c.OrderRef(order_id=request.order_id))
        if (context.caller.role, context.caller.id) != ("customer", order.customer_id):
            raise _no_such_order(request.order_id)
        trace = context.request_id
        if order.state == "awaiting_payment" and order.payment_method == "online":
            now = self._clock()
            check_at = now + timedelta(seconds=FIRST_CHECK_AFTER_S)
            intent = start(order, request.source, self._new_id(), now, check_at, trace)
            if await self._store.start(intent):
                return to_contract(await self._charge(intent.payment, trace))
        active = await self._store.active(int(order.id)) if order.payment_method == "online" else None
        if active is not None:
            return to_contract(await self.settlement.find_out(active, trace))
        if order.state == "awaiting_payment" and order.payment_method == "online":
            raise Unavailable("payment_in_progress", "another payment of this order has just ended")
        raise Refusal(
            "payment_not_expected", "this order does not await a payment",
            {"state": order.state, "payment_method": order.payment_method},
        )  # fmt: skip

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
        return c.PaymentList(payments=[to_contract(payment) for payment in payments])

    async def capture_payment(self, context: c.CallContext, request: c.PaymentRef) -> c.Payment:
        """Take what has been authorised."""
        raise Refusal("payment_not_expected", "nothing is authorised yet: payments are charged at once")

    async def void_payment(self, context: c.CallContext, request: c.PaymentRef) -> c.Payment:
        """Let go of what has been authorised."""
        raise Refusal("payment_not_expected", "nothing is authorised yet: payments are charged at once")

    async def refund(self, context: c.CallContext, request: c.RefundPayment) -> c.Refund:
        """Give some of an order's money back."""
        raise Unavailable("refunds_closed", "only fallen orders give money back so far")

    async def find_refund(self, context: c.CallContext, request: c.RefundRef) -> c.Refund:
        """How a refund stands."""
        raise Refusal("refund_not_found", f"no refund {request.refund_id}")

    async def take_notice(self, context: c.CallContext, request: c.ProviderNotice) -> c.NoticeTaken:
        """Record what a provider says of a payment. Its signature says whose word it is, not who calls."""
        notice = self._provider.read_notice(request.body, request.signature, self._clock())
        payment = await self._store.find(notice.key)
        if payment is None:
            return c.NoticeTaken(known=False)
        await self.settlement.record(payment, notice.outcome, context.request_id)
        return c.NoticeTaken(known=True)

    async def close(self) -> None:
        """Finish what is being written."""
        await self._store.close()

    async def _charge(self, payment: Payment, trace: str) -> Payment:
        outcome = await self._provider.charge(payment.id, payment.amount, payment.currency, payment.source)
        return await self.settlement.record(payment, outcome, trace)


def _no_such_order(order_id: str) -> Refusal:
    return Refusal("order_not_found", f"no order {order_id}")
