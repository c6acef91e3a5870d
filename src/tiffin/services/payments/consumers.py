"""What payments do about what the log says."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from tiffin.events.event import Event
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.payment import SURPLUS, Change, Payment, collect
from tiffin.services.payments.settlement import Settlement
from tiffin.storage.side_by_side import side_by_side

AT_ONCE_MAX = 64
_TAKEN_ON = ("order.accepted", "order.called_off")
"""When what is authorised is captured: a case that calls an order off asks for what is to go back of it."""
ORDERS_MAX = 1000
"""So many the orders service tells about at a time."""

_log = structlog.get_logger()


class _OrderMoved(msgspec.Struct):
    to_state: str


class PaymentsConsumer:
    """Accepted orders are captured, fallen ones voided or given back, delivered ones' cash is noted; money
    that is certain reaches the orders service, and so does money that was lost.

    All only move payments along their table, so that hearing of the same event again changes nothing.
    Raises what a database or the orders service raises: the events are then to be heard again. What orders
    refuse becomes a dead letter, is left as it is, and is found by the audit.
    """

    name = "payments"
    types = frozenset((
        "order.accepted", "order.delivered", "payment.authorised", "payment.voided",
        "payment.succeeded", "payment.refund_started",
        "order.payment_expired", "order.rejected", "order.acceptance_expired", "order.cancelled",
        "order.called_off",
    ))  # fmt: skip
    """What it acts on, and whatever makes an order fall."""

    def __init__(self, settlement: Settlement, orders: c.Orders, clock: Clock) -> None:
        self._settlement = settlement
        self._orders = orders
        self._clock = clock

    async def handle(self, events: Sequence[Event]) -> None:
        """Take some events. A batch that wants nothing done costs no round trip."""
        traces = {event.key: event.trace for event in events}
        settlement, by_ids = self._settlement, self._settlement.store.by_ids
        if untold := _keys(events, self._is_untold):
            paid = [
                payment for payment in await by_ids(untold) if payment.state in ("authorised", "succeeded")
            ]
            await _for_each(paid, lambda payment: self._tell(settlement.tell_orders, payment, traces))
        if lost := _keys(events, _lost):
            await _for_each(
                await by_ids(lost), lambda payment: self._tell(settlement.call_off, payment, traces)
            )
        fallen, accepted = _keys(events, _fell), _keys(events, lambda event: event.type in _TAKEN_ON)
        if moved := {*fallen, *accepted}:
            paid = await settlement.store.good_of_orders([int(key) for key in moved])
            await _for_each(
                paid, lambda payment: self._follow(payment, str(payment.order_id) in fallen, traces)
            )
        if delivered := _keys(events, lambda event: event.type == "order.delivered"):
            happened = {event.key: event for event in events if event.type == "order.delivered"}
            for start in range(0, len(delivered), ORDERS_MAX):
                await self._collect({key: happened[key] for key in delivered[start : start + ORDERS_MAX]})

    async def _follow(self, payment: Payment, has_fallen: bool, traces: dict[str, str]) -> None:
        trace = traces[str(payment.order_id)]
        if has_fallen:
            await self._settlement.let_go(payment, trace)
        else:
            await self._settlement.intend(payment, "capture", trace, "order_accepted")

    async def _collect(self, events: dict[str, Event]) -> None:
        """The cash of orders that have been delivered."""
        context = new_context("system", "payments", self._clock())
        told = await self._orders.terms(context, c.OrdersNamed(order_ids=list(events)))
        cash: list[Change] = [
            collect(order, events[order.order_id].at, events[order.order_id].trace)
            for order in told.orders
            if order.payment_method == "cash"
        ]
        if cash:
            await self._settlement.store.collect(cash)

    async def _tell(
        self, tell: Callable[[Payment, str], Awaitable[object]], payment: Payment, traces: dict[str, str]
    ) -> None:
        try:
            await tell(payment, traces[payment.id])
        except Refusal as refusal:
            _log.error("orders_refuse_payment", payment=payment.id, code=refusal.code)
            raise

    def _is_untold(self, event: Event) -> bool:
        """The money is certain, for the first time: what is captured later was authorised before."""
        first = event.type == "payment.authorised" or (event.type, event.version) == ("payment.succeeded", 2)
        return first and not self._settlement.has_told(event.key)


def _keys(events: Sequence[Event], wanted: Callable[[Event], bool]) -> list[str]:
    return list(dict.fromkeys(event.key for event in events if wanted(event)))


def _lost(event: Event) -> bool:
    """The money of an order is not to be had, or goes back because nobody was to have it any more."""
    return event.type == "payment.voided" or (
        event.type == "payment.refund_started" and f'"reason":"{SURPLUS}"' in event.data
    )


def _fell(event: Event) -> bool:
    """The text is looked through first: decoding every event of every order would cost more than all else."""
    return (
        event.stream == "order"
        and event.type != "order.called_off"  # a case has ended it, and asks for what is to go back
        and '"cancelled"' in event.data
        and _decode(event.data).to_state == "cancelled"
    )


async def _for_each(payments: Sequence[Payment], do: Callable[[Payment], Awaitable[object]]) -> None:
    """A few at a time."""
    for start in range(0, len(payments), AT_ONCE_MAX):
        some = payments[start : start + AT_ONCE_MAX]
        await side_by_side(do(payment) for payment in some)


_decode = msgspec.json.Decoder(_OrderMoved).decode
