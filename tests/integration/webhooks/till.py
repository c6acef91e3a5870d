"""The webhooks service whole, between a real receiver and a notifications that keeps what it is given."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from secrets import token_bytes
from typing import Any
from uuid import uuid4

import msgspec

from integration.webhooks.receiver import Receiver
from manual_clock import ManualClock
from tiffin.events.event import Event
from tiffin.gateway.asyncapi import RESTAURANTS_HEAR
from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.webhooks.addresses import Allowed
from tiffin.services.webhooks.consumers import WebhooksConsumer
from tiffin.services.webhooks.deliveries import DeliveryStore
from tiffin.services.webhooks.listening import Listening
from tiffin.services.webhooks.notices import Notices
from tiffin.services.webhooks.outgoing import Outgoing, open_outgoing
from tiffin.services.webhooks.sealing import Secrets
from tiffin.services.webhooks.sender import Sender
from tiffin.services.webhooks.service import WebhooksService
from tiffin.services.webhooks.store import EndpointStore
from tiffin.sharding import order_id as order_ids
from tiffin.sharding.router import Router
from tiffin.sharding.slots import slot_of

SECRET = b"a platform's secret, long enough"
HERE = Allowed(["127.0.0.0/8"])
PATIENCE = timedelta(days=5)
KEPT = timedelta(days=30)


class Outbox:
    """Stands for notifications."""

    def __init__(self) -> None:
        self.sent: list[c.SendMessage] = []

    async def send(self, context: c.CallContext, request: c.SendMessage) -> None:
        assert context.caller.role == "system"
        self.sent.append(request)


class Till:
    """Puts everything together as the platform does."""

    def __init__(
        self, router: Router, clock: ManualClock, new_id: Callable[[str], str], outgoing: Outgoing
    ) -> None:
        self.router = router
        self.clock = clock
        self.new_id = new_id
        self.outgoing = outgoing
        self.outbox = Outbox()
        self.secrets = Secrets(SECRET, token_bytes)
        self.deliveries = DeliveryStore(router)
        self.service = WebhooksService(router, self.secrets, HERE, RESTAURANTS_HEAR, clock)
        self.consumer = self.new_consumer()

    @classmethod
    async def open(
        cls, stack: AsyncExitStack, router: Router, clock: ManualClock, new_id: Callable[[str], str]
    ) -> "Till":
        """With a client that is patient: machines may be busy."""
        return cls(router, clock, new_id, await stack.enter_async_context(open_outgoing(HERE, timeout_s=60)))

    def new_consumer(self) -> WebhooksConsumer:
        """Another process's."""
        listening = Listening(self.router, RESTAURANTS_HEAR)
        return WebhooksConsumer(self.deliveries, listening, RESTAURANTS_HEAR, KEPT, self.clock)

    def sender(self, outgoing: Outgoing | None = None) -> Sender:
        """Another process's."""
        return Sender(
            EndpointStore(self.router), Listening(self.router, RESTAURANTS_HEAR), outgoing or self.outgoing,
            self.secrets, Notices(self.outbox, self.clock).disabled, PATIENCE, self.clock, lambda: 0.5,
        )  # fmt: skip

    def context(self, role: Any = "operator", id_: str = "ops", access: Any = None) -> c.CallContext:
        """Somebody calls."""
        context = new_context(role, id_, self.clock())
        return msgspec.structs.replace(context, caller=c.Caller(role=role, id=id_, access=access))

    async def endpoint(
        self, receiver: Receiver, owner: str, *types: str, partner: bool = False
    ) -> c.CreatedWebhook:
        """A new endpoint, by an operator; of all events, if none is named."""
        whose = {"partner_id" if partner else "restaurant_id": owner}
        wanted = list(types) or ["order.*", "case.*", "settlement.*"]
        return await self.service.create(
            self.context(), c.CreateWebhook(url=receiver.url, types=wanted, **whose)
        )

    def order(self, restaurant_id: str) -> str:
        """The number of a new order."""
        return str(order_ids.make(uuid4().int % 10**9 + 1, slot_of("ana"), slot_of(restaurant_id)))

    def event(self, restaurant_id: str, order_id: str, version: int, name: str = "accepted") -> Event:
        """What the log would hold."""
        told = c.OrderEvent(
            order_id=order_id, version=version, type=f"order.{name}", from_state="awaiting_acceptance",
            to_state="preparing", actor=c.Caller(role="restaurant", id=restaurant_id),
            at=to_text(self.clock()), request_id="r", customer_id="ana", restaurant_id=restaurant_id,
        )  # fmt: skip
        return Event(
            1, version, 1, "customer", 0, "order", order_id, version, told.type,
            msgspec.json.encode(told).decode(), self.clock(), "trace",
        )  # fmt: skip

    async def hear(self, *events: Event) -> None:
        """What the log says comes to the consumer."""
        await self.consumer.handle(events)

    async def happen(self, restaurant_id: str, count: int = 1, order_id: str | None = None) -> list[str]:
        """So many things happen to an order; the ids of the deliveries that tells of them."""
        order_id = order_id or self.order(restaurant_id)
        await self.hear(*(self.event(restaurant_id, order_id, version) for version in range(1, count + 1)))
        return [f"order:{order_id}:{version}" for version in range(1, count + 1)]

    async def send(self, sender: Sender | None = None, rounds: int = 100) -> None:
        """Send all that is due now."""
        sender = sender or self.sender()
        for _ in range(rounds):
            claimed = [(node, lane) for node in self.router.nodes for lane in await sender.claim(node, 100)]
            if not claimed:
                return
            for node, lane in claimed:
                await sender.serve(node, lane)
        raise AssertionError("it never comes to rest")

    async def log(self, endpoint_id: str, state: Any = None) -> list[c.WebhookDelivery]:
        """An endpoint's deliveries, oldest first."""
        request = c.ListDeliveries(endpoint_id=endpoint_id, state=state, limit=200)
        return (await self.service.list_deliveries(self.context(), request)).deliveries[::-1]

    async def states(self, endpoint_id: str) -> list[tuple[str, str | None]]:
        """What has become of an endpoint's deliveries, oldest first."""
        return [(each.state, each.reason) for each in await self.log(endpoint_id)]

    async def about(self, endpoint_id: str) -> c.WebhookEndpoint:
        """An endpoint as it is."""
        return await self.service.get(self.context(), c.WebhookRef(endpoint_id=endpoint_id))

    async def due(self, endpoint_id: str) -> int:
        """How much of what waits for an endpoint somebody will look at now."""
        query = "SELECT 1 FROM webhooks.queue WHERE endpoint_id = $1 AND due_at <= $2"
        return sum([len(await node.fetch(query, endpoint_id, self.clock())) for node in self.router.nodes])

    async def rows(self, endpoint_id: str) -> dict[str, int]:
        """How many rows an endpoint has in each table that is about sending."""
        counts = dict.fromkeys(("deliveries", "queue", "lanes"), 0)
        for table in counts:
            for node in self.router.nodes:
                found = await node.fetch(
                    f"SELECT 1 FROM webhooks.{table} WHERE endpoint_id = $1", endpoint_id
                )
                counts[table] += len(found)
        return counts
