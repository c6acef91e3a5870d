"""What the log says, told to those it concerns."""

from collections.abc import Sequence

import msgspec
from prometheus_client import Counter

from tiffin.events.event import Event
from tiffin.primitives.clock import Clock
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.notifications.audiences import (
    Audiences,
    Notice,
    after_case_event,
    after_order_event,
    after_payment_event,
)
from tiffin.services.notifications.catalogue import Catalogue, Role
from tiffin.services.notifications.decision import LATE_KEPT
from tiffin.services.notifications.message import MessageRow
from tiffin.services.notifications.store import MessageStore
from tiffin.sharding.slots import shard_of

PERSONAL: tuple[Role, ...] = ("customer", "courier", "operator")
"""The roles in which people go by their own id. Restaurants are no persons."""

_too_late = Counter("tiffin_notifications_too_late", "Messages not even recorded: heard of a day too late.")
_encode = msgspec.json.Encoder().encode
_order_event = msgspec.json.Decoder(c.OrderEvent).decode
_case_event = msgspec.json.Decoder(c.CaseEvent).decode
_payment_event = msgspec.json.Decoder(c.PaymentEvent).decode


class NotificationsConsumer:
    """Keeps one message for each event and person, however often the event comes; forgets who was erased.

    Raises what a database or the orders service raises: a payment of no order becomes a dead letter.
    """

    name = "notifications"

    def __init__(
        self, store: MessageStore, catalogue: Catalogue, audiences: Audiences, orders: c.Orders, clock: Clock
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._audiences = audiences
        self._orders = orders
        self._clock = clock
        self._heard = {row.on for row in audiences.tell}
        self.types = frozenset((*self._heard, "customer.erased"))

    async def handle(self, events: Sequence[Event]) -> None:
        """Take some events."""
        now = self._clock()
        rows: list[MessageRow] = []
        for event in events:
            if event.type in self._heard:
                rows += [self._row(event, notice) for notice in await self._notices(event)]
        in_time = [row for row in rows if row.expires_at + LATE_KEPT > now]
        _too_late.inc(len(rows) - len(in_time))
        if in_time:
            await self._store.add(in_time, now)
        erased = {event.key for event in events if event.type == "customer.erased"}
        for role in PERSONAL:
            await self._store.forget_people(role, erased)

    async def _notices(self, event: Event) -> list[Notice]:
        if event.stream == "order":
            return after_order_event(self._audiences, _order_event(event.data))
        if event.stream == "case":
            return after_case_event(self._audiences, _case_event(event.data))
        happened = _payment_event(event.data)
        context = new_context("system", "notifications", self._clock(), request_id=event.trace[:64])
        order = await self._orders.get(context, c.OrderRef(order_id=happened.order_id))
        return after_payment_event(self._audiences, happened, order.customer_id)

    def _row(self, event: Event, notice: Notice) -> MessageRow:
        template = self._catalogue.templates[notice.template]
        variables = {name: notice.variables[name] for name in template.variables}
        return MessageRow(
            shard=shard_of(notice.person_id),
            role=notice.role,
            person_id=notice.person_id,
            key=f"{event.stream}:{event.key}:{event.version}",
            order_id=notice.order_id,
            template=notice.template,
            kind=template.kind,
            urgent=notice.urgent,
            created_at=notice.created_at,
            expires_at=notice.expires_at,
            variables=_encode(variables).decode(),
            secrets=None,
            phone=None,
            language=None,
        )
