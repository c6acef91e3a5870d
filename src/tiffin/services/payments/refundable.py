"""Before a refund: whether its caller may ask for it, and that the money it comes out of has been taken."""

from tiffin.primitives.clock import Clock, from_text
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.payment import collect
from tiffin.services.payments.settlement import Settlement

_ARRIVED = ("delivered", "completed")


class Refundable:
    """Brings an order's payments where a refund finds them."""

    def __init__(self, settlement: Settlement, orders: c.Orders, clock: Clock) -> None:
        self._settlement = settlement
        self._orders = orders
        self._clock = clock

    async def check_operator(self, context: c.CallContext, order_id: int) -> None:
        """An operator gives back by hand what an order that fell has left, where the provider would not.
        Anything else goes back by a case, which says who bears it: `Refusal("not_refundable")`."""
        ref = c.OrderRef(order_id=str(order_id))
        order = await self._orders.get(context, ref)
        if order.state == "cancelled":
            timeline = await self._orders.timeline(context, ref)
            if all(event.type != "order.called_off" for event in timeline.events):
                return
        raise Refusal("not_refundable", "open a case of the order: it says who bears what goes back")

    async def take(self, order_id: int, payment_id: str | None, trace: str) -> None:
        """What is authorised is given back by being taken first: a part of it cannot be let go. Cash that has
        arrived and that nobody has noted yet is noted."""
        payments = await self._settlement.store.of_order(order_id)
        if not payments:
            await self._collect(order_id, trace)
        for payment in payments:
            if payment.state in ("authorised", "capturing") and payment_id in (None, payment.id):
                begun = await self._settlement.intend(payment, "capture", trace, "to_refund")
                if (await self._settlement.carry_out(begun, trace)).state == "capturing":
                    raise Unavailable("payment_in_progress", "the payment is being taken; ask again")

    async def _collect(self, order_id: int, trace: str) -> None:
        context = new_context("system", "payments", self._clock(), request_id=trace)
        told = await self._orders.terms(context, c.OrdersNamed(order_ids=[str(order_id)]))
        for terms in told.orders:
            if terms.payment_method == "elsewhere":
                raise Refusal(
                    "paid_elsewhere", "another system has taken this order's money, and gives it back"
                )
            order = await self._orders.get(context, c.OrderRef(order_id=terms.order_id))
            if order.payment_method == "cash" and order.state in _ARRIVED:
                await self._settlement.store.collect([collect(terms, from_text(order.updated_at), trace)])
