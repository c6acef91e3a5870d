"""What payments do about what the log says."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from tiffin.events.event import Event
from tiffin.primitives.errors import Refusal
from tiffin.services.payments.payment import Payment
from tiffin.services.payments.settlement import Settlement

AT_ONCE_MAX = 64

_log = structlog.get_logger()


class _OrderMoved(msgspec.Struct):
    to_state: str


class PaymentsConsumer:
    """Cancelled orders give their money back; succeeded payments reach the orders service.

    Both only move payments along their table, so that hearing of the same event again changes nothing.
    Raises what a database or the orders service raises: the events are then to be heard again. What orders
    refuse would be refused again: it is logged, left as it is, and found by the audit.
    """

    name = "payments"
    types = frozenset((
        "payment.succeeded",
        "order.payment_expired", "order.rejected", "order.acceptance_expired", "order.cancelled",
        "order.called_off",
    ))  # fmt: skip
    """What it acts on, and whatever makes an order fall."""

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement

    async def handle(self, events: Sequence[Event]) -> None:
        """Take some events. A batch without cancelled orders or untold payments costs no round trip."""
        traces = {event.key: event.trace for event in events if self._is_untold(event) or _fell(event)}
        if not traces:
            return
        store = self._settlement.store
        fallen = [int(key) for key in traces if key.isdigit()]
        charged = [key for key in traces if not key.isdigit()]
        if charged:
            paid = [payment for payment in await store.by_ids(charged) if payment.state == "succeeded"]
            await _for_each(paid, lambda payment: self._tell_orders(payment, traces[payment.id]))
        if fallen:
            paid = await store.succeeded_of_orders(fallen)
            await _for_each(
                paid, lambda payment: self._settlement.give_back(payment, traces[str(payment.order_id)])
            )

    async def _tell_orders(self, payment: Payment, trace: str) -> None:
        try:
            await self._settlement.tell_orders(payment, trace)
        except Refusal as refusal:
            _log.error("orders_refuse_payment", payment=payment.id, code=refusal.code)

    def _is_untold(self, event: Event) -> bool:
        return event.type == "payment.succeeded" and not self._settlement.has_told(event.key)


def _fell(event: Event) -> bool:
    """The text is looked through first: decoding every event of every order would cost more than all else."""
    return (
        event.stream == "order"
        and event.type != "order.called_off"  # a case has ended it, and asks for what is to go back
        and '"cancelled"' in event.data
        and _decode(event.data).to_state == "cancelled"
    )


async def _for_each(payments: Sequence[Payment], do: Callable[[Payment], Awaitable[object]]) -> None:
    """A few at a time; an error is raised once those beside it have ended."""
    for start in range(0, len(payments), AT_ONCE_MAX):
        some = payments[start : start + AT_ONCE_MAX]
        results = await asyncio.gather(*(do(payment) for payment in some), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


_decode = msgspec.json.Decoder(_OrderMoved).decode
