"""The notifications service whole, between small peers and a provider that does what a test says."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

from manual_clock import ManualClock
from tiffin.events.event import Event
from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role, new_context
from tiffin.services.notifications.catalogue import Catalogue
from tiffin.services.notifications.consumers import NotificationsConsumer
from tiffin.services.notifications.loading import load_catalogue
from tiffin.services.notifications.message import MessageRow
from tiffin.services.notifications.providers import NotTaken, Parcel, Provider, Taken
from tiffin.services.notifications.recipients import Recipients
from tiffin.services.notifications.sender import Sender
from tiffin.services.notifications.service import NotificationsService
from tiffin.services.notifications.store import MessageStore
from tiffin.sharding import order_id as order_ids
from tiffin.sharding.router import Router
from tiffin.sharding.slots import slot_of
from tiffin.storage.node import Node

CATALOGUE, AUDIENCES = load_catalogue("en")


Answer = Taken | NotTaken


class Known:
    """Stands for users, restaurants and orders: knows what a test has told it."""

    def __init__(self) -> None:
        self.phones: dict[str, str | None] = {}
        self.staff: dict[str, list[c.StaffMember]] = {}
        self.orders: dict[str, c.Order] = {}
        self.error: Exception | None = None

    async def get(self, context: c.CallContext, request: Any) -> Any:
        assert context.caller.role == "system"
        if self.error:
            raise self.error
        if isinstance(request, c.CustomerRef):
            if request.customer_id not in self.phones:
                raise Refusal("customer_not_found", "no such customer")
            phone = self.phones[request.customer_id]
            return c.Customer(id=request.customer_id, name="Ana", phone=phone, addresses=[])
        if isinstance(request, c.OrderRef):
            if request.order_id not in self.orders:
                raise Refusal("order_not_found", "no such order")
            return self.orders[request.order_id]
        return msgspec.structs.replace(_restaurant, id=request.restaurant_id)

    async def list_staff(self, context: c.CallContext, request: c.StaffOf) -> c.StaffList:
        return c.StaffList(staff=self.staff.get(request.restaurant_id, []))


class Recorder:
    """A provider that keeps what it is given and answers what it is told."""

    needs_phone = True

    def __init__(self) -> None:
        self.parcels: list[Parcel] = []
        self.answer: Callable[[Parcel], Answer | asyncio.Future[Answer]] = lambda parcel: Taken()

    async def deliver(self, parcel: Parcel) -> Taken | NotTaken:
        self.parcels.append(parcel)
        answer = self.answer(parcel)
        return await answer if isinstance(answer, asyncio.Future) else answer


class Desk:
    """Puts everything together as the platform does."""

    def __init__(self, router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> None:
        self.router = router
        self.clock = clock
        self.new_id = new_id
        self.known = Known()
        self.provider = Recorder()
        self.store = MessageStore(router)
        self.service = NotificationsService(router, CATALOGUE, clock)
        self.consumer = NotificationsConsumer(self.store, CATALOGUE, AUDIENCES, self.known, clock)

    def sender(self, provider: Provider | None = None, catalogue: Catalogue = CATALOGUE) -> Sender:
        recipients = Recipients(self.known, self.known, self.known, self.clock)
        return Sender(catalogue, recipients, provider or self.provider, self.clock, lambda: 1.0)

    def customer(self, phone: str | None = "+49 151 1234567") -> str:
        """The id of a new customer."""
        person_id = self.new_id("ana")
        self.known.phones[person_id] = phone
        return person_id

    def context(self, role: Role = "system", caller_id: str = "users") -> c.CallContext:
        return new_context(role, caller_id, self.clock())

    async def send(self, person_id: str | None, key: str = "k1", **more: Any) -> c.Message:
        """Have the sign-in code 123456 sent, or what `more` says."""
        values: dict[str, Any] = {
            "key": key, "template": "sign_in_code", "role": "customer", "person_id": person_id,
            "variables": [
                c.MessageVariable(name="code", value="123456", secret=True),
                c.MessageVariable(name="minutes", value="10"),
            ],
            "expires_in_s": 600,
        }  # fmt: skip
        return await self.service.send(self.context(), c.SendMessage(**{**values, **more}))

    async def send_order_message(self, person_id: str, key: str = "k1", **more: Any) -> c.Message:
        """Have a message of the kind `order` sent."""
        variables = [
            c.MessageVariable(name="order", value="7"),
            c.MessageVariable(name="restaurant", value="al-dente"),
        ]
        return await self.send(
            person_id,
            key,
            **{"template": "order_late", "variables": variables, "expires_in_s": 86400, **more},
        )

    async def run(self, sender: Sender | None = None) -> None:
        """Send all that is due now."""
        sender = sender or self.sender()
        for node in self.router.nodes:
            for security in (True, False):
                while await sender.send_due(node, security=security):
                    pass

    async def messages(self, person_id: str, role: str = "customer") -> list[MessageRow]:
        """A person's messages, oldest first."""
        before = datetime.max.replace(tzinfo=self.clock().tzinfo), ""
        return (await self.store.of_person(role, person_id, before, 100))[::-1]

    async def message(self, person_id: str, role: str = "customer") -> MessageRow:
        """The only message a person has."""
        (row,) = await self.messages(person_id, role)
        return row

    async def rows_about(self, person_id: str) -> int:
        """How many rows of whichever table name this person."""
        count = 0
        for table in ("messages", "preferences", "counts", "due"):
            query = f"SELECT 1 FROM notifications.{table} WHERE person_id = $1"
            for node in self.router.nodes:
                count += len(await node.fetch(query, person_id))
        return count

    def new_order(self, customer_id: str, restaurant_id: str) -> str:
        """The number of a new order of 12.50 EUR."""
        number = order_ids.make(uuid4().int % 10**9 + 1, slot_of(customer_id), slot_of(restaurant_id))
        money = c.Money(amount=1250, currency="EUR")
        at = to_text(self.clock())
        self.known.orders[str(number)] = c.Order(
            id=str(number), state="preparing", version=1, customer_id=customer_id,
            restaurant_id=restaurant_id, lines=[], subtotal=money, delivery_fee=money,
            total=money, payment_method="cash",
            address=c.Address(
                id="h", label="h", street="s", city="c", place=c.Place(latitude=0, longitude=0)
            ),
            placed_at=at, updated_at=at,
        )  # fmt: skip
        return str(number)

    def order_event(
        self, order_id: str, version: int, name: str, source: str | None, target: str, **more: Any
    ) -> Event:
        """What the log would hold."""
        order = self.known.orders[order_id]
        event = c.OrderEvent(**{
            "order_id": order_id, "version": version, "type": f"order.{name}", "from_state": source,
            "to_state": target, "actor": c.Caller(role="system", id="test"), "at": to_text(self.clock()),
            "request_id": "r", "customer_id": order.customer_id, "restaurant_id": order.restaurant_id, **more,
        })  # fmt: skip
        return self.event("order", order_id, version, event.type, event)

    def event(self, stream: Any, key: str, version: int, type_: str, data: msgspec.Struct) -> Event:
        """An event of any kind."""
        return Event(
            1, version, 1, "customer", 0, stream, key, version, type_, msgspec.json.encode(data).decode(),
            self.clock(), "trace",
        )  # fmt: skip


async def run_together(senders: Sequence[Sender], nodes: Sequence[Node], security: bool = False) -> None:
    """All senders on all nodes at the same time, once each."""
    await asyncio.gather(*(sender.send_due(node, security=security) for sender in senders for node in nodes))


_restaurant = c.Restaurant(
    id="r", name="Al Dente", currency="EUR", time_zone="Europe/Berlin",
    place=c.Place(latitude=0, longitude=0), delivery_fee=0, minimum_subtotal=0, hours=[],
    accepting_orders=True, menu_version=1, status="live", preparation_minutes=20,
)  # fmt: skip
