"""Customers, restaurants and couriers of a running platform, over HTTP, and a look at what it has stored."""

import asyncio
import io
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import aiohttp

from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node
from tiffin_process import TiffinProcess

PRICE, EXTRA, FEE = 1000, 150, 300
CURRENCY = "COP"
OPERATOR = ("operator", "ops")
DEADLINE_S = 40.0
LOOK_AGAIN_S = 0.03

HOME = {
    "id": "home", "label": "Home", "street": "Calle 1", "city": "Bogota",
    "place": {"latitude": 4.6, "longitude": -74.1},
}  # fmt: skip
ALWAYS = [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in range(7)]
MENU: list[dict[str, Any]] = [
    {
        "id": "soup", "name": "Ajiaco", "price": PRICE,
        "options": [{"id": "corn", "name": "Corn", "price": EXTRA}],
    },
    {"id": "cake", "name": "Cake", "price": PRICE, "limited": True},
    {"id": "mole", "name": "Mole", "price": PRICE, "available": False},
]  # fmt: skip

WAY = (
    ("restaurant", "accept"), ("courier", "assign-courier"), ("restaurant", "ready"), ("courier", "pick-up"),
    ("courier", "deliver"), ("customer", "complete"),
)  # fmt: skip
"""Who says what on the way of an order, from awaiting_acceptance to completed."""

Found = TypeVar("Found")
Json = Any


@dataclass(frozen=True)
class Answer:
    """What the platform said."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Json:
        return json.loads(self.body)

    @property
    def problem(self) -> tuple[int, str]:
        """Status and code of an answer that has to be a whole problem."""
        assert self.headers["Content-Type"] == "application/problem+json", (self.status, self.body[:300])
        told = self.json
        assert told["type"] == f"urn:tiffin:problem:{told['code']}"
        assert told["status"] == self.status
        assert told["title"] and told["detail"]
        assert told["request_id"] == self.headers["X-Request-Id"]
        return self.status, told["code"]

    @property
    def said(self) -> int | tuple[int, str]:
        """The status, and the code if it is a problem."""
        return self.status if self.status < 400 else self.problem


class Said(NamedTuple):
    """An event of a live stream."""

    name: str
    id: str | None
    data: Json


class Town:
    """Everybody there is on one platform, with their own tokens."""

    def __init__(self, process: TiffinProcess, http: aiohttp.ClientSession) -> None:
        self.process = process
        self.http = http
        self._tokens: dict[tuple[str, str], str] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, process: TiffinProcess) -> "AsyncGenerator[Town]":
        connector = aiohttp.TCPConnector(limit=100)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as http:
            yield cls(process, http)

    def headers(self, who: tuple[str, str] | None) -> dict[str, str]:
        """The Authorization header of (role, subject)."""
        if who is None:
            return {}
        if who not in self._tokens:
            self._tokens[who] = self.process.mint(*who)
        return {"Authorization": f"Bearer {self._tokens[who]}"}

    async def ask(
        self, who: tuple[str, str] | None, method: str, path: str, body: Json = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """One request. `body` is sent as JSON, or as it is if it is bytes."""
        text = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        data = text and io.BytesIO(text)  # aiohttp warns of a megabyte that is sent as it is
        all_headers = {"Content-Type": "application/json", **self.headers(who), **(headers or {})}
        url = self.process.url + path
        async with self.http.request(method, url, data=data, headers=all_headers) as response:
            return Answer(response.status, await response.read(), response.headers)

    @asynccontextmanager
    async def listen(
        self, who: tuple[str, str], path: str, last_event_id: str | None = None
    ) -> "AsyncGenerator[AsyncIterator[Said]]":
        """The events of a live stream, as they come, until it ends."""
        headers = self.headers(who) | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        async with self.http.get(self.process.url + path, headers=headers) as response:
            assert (response.status, response.content_type) == (200, "text/event-stream")
            yield _said(response.content)

    async def get(self, who: tuple[str, str], path: str) -> Json:
        """What is there; it has to be."""
        answer = await self.ask(who, "GET", path)
        assert answer.status == 200, answer.body
        return answer.json

    async def add_restaurant(
        self, menu: Sequence[Mapping[str, Json]] = MENU, portions: int = 0, **changes: Json
    ) -> str:
        """A restaurant with a menu, and with portions of cake."""
        id_ = f"restaurant-{uuid4().hex[:12]}"
        fields = {
            "id": id_, "name": "La Olla", "currency": CURRENCY, "time_zone": "America/Bogota",
            "place": HOME["place"], "delivery_fee": FEE, "minimum_subtotal": 0, "hours": ALWAYS,
        }  # fmt: skip
        await self._done(201, OPERATOR, "POST", "/v1/restaurants", {**fields, **changes})
        await self._done(200, ("restaurant", id_), "PUT", f"/v1/restaurants/{id_}/menu", {"items": menu})
        if portions:
            await self.bake(id_, portions)
        return id_

    async def bake(self, restaurant: str, portions: int) -> None:
        """More portions of cake."""
        stock = {"item_id": "cake", "quantity": portions}
        await self._done(
            200, ("restaurant", restaurant), "POST", f"/v1/restaurants/{restaurant}/stock", stock,
            {"Idempotency-Key": uuid4().hex},
        )  # fmt: skip

    async def cakes(self, restaurant: str) -> tuple[int, int]:
        """Portions of cake on hand, and how many of them are held."""
        stock = await self.get(("restaurant", restaurant), f"/v1/restaurants/{restaurant}/stock")
        (level,) = [level for level in stock["items"] if level["item_id"] == "cake"]
        return level["on_hand"], level["held"]

    async def add_customer(self) -> str:
        """A customer with the address `home`."""
        id_ = f"customer-{uuid4().hex[:12]}"
        await self._done(
            201, OPERATOR, "POST", "/v1/customers", {"id": id_, "name": "Ana", "addresses": [HOME]}
        )
        return id_

    async def add_customers(self, count: int) -> list[str]:
        """Several of them."""
        return await asyncio.gather(*(self.add_customer() for _ in range(count)))

    async def try_to_place(
        self, customer: str, body: Mapping[str, Json] | bytes, key: str | None = None
    ) -> Answer:
        """What the platform says to an order."""
        return await self.ask(
            ("customer", customer), "POST", "/v1/orders", body, {"Idempotency-Key": key or uuid4().hex}
        )

    async def place(self, customer: str, restaurant: str, **changes: Json) -> Json:
        """A placed order."""
        answer = await self.try_to_place(customer, order_for(restaurant, **changes))
        assert answer.status == 201, answer.body
        return answer.json

    async def try_to_say(self, who: tuple[str, str], order: Json, action: str, body: Json = None) -> Answer:
        """What the platform says when somebody says that something has happened to an order."""
        return await self.ask(who, "POST", f"/v1/orders/{order['id']}/{action}", body)

    async def say(self, order: Json, role: str, action: str, **fields: Json) -> Json:
        """An order after its own customer, its own restaurant or a courier said that something happened."""
        answer = await self.try_to_say(actor(order, role), order, action, fields)
        assert answer.status == 200, answer.body
        return answer.json

    async def order(self, order: Json) -> Json:
        """The order as it is now."""
        return await self.get(OPERATOR, f"/v1/orders/{order['id']}")

    async def timeline(self, order: Json) -> list[tuple[int, str, str]]:
        """Version, event and state reached, of everything that has happened to an order."""
        told = await self.get(OPERATOR, f"/v1/orders/{order['id']}/timeline")
        return [(event["version"], event["type"], event["to_state"]) for event in told["events"]]

    async def is_in_restaurants_list(self, order: Json) -> bool:
        """Whether the order's restaurant sees it in the state in which its customer sees it."""
        restaurant = order["restaurant_id"]
        path = f"/v1/restaurants/{restaurant}/orders?limit=200"
        listed = await self.get(("restaurant", restaurant), path)
        return await self.order(order) in listed["orders"]

    async def _done(self, status: int, *request: Json) -> None:
        answer = await self.ask(*request)
        assert answer.status == status, (request, answer.body)


def order_for(restaurant: str, dish: str = "soup", quantity: int = 1, **changes: Json) -> dict[str, Json]:
    """The body that orders portions of a dish for cash, now; what is changed is changed, ... is left out."""
    body = {
        "restaurant_id": restaurant, "lines": [{"item_id": dish, "quantity": quantity}],
        "address_id": "home", "payment_method": "cash",
        "expected_total": {"amount": PRICE * quantity + FEE, "currency": CURRENCY},
    }  # fmt: skip
    return {name: value for name, value in {**body, **changes}.items() if value is not ...}


def actor(order: Json, role: str) -> tuple[str, str]:
    """Who has this role in the order's story."""
    subjects = {"customer": order["customer_id"], "restaurant": order["restaurant_id"], "courier": "carlos"}
    return role, subjects.get(role, "ops")


async def _said(stream: aiohttp.StreamReader) -> AsyncIterator[Said]:
    event: dict[str, str] = {}
    async for raw in stream:
        name, _, value = raw.decode().rstrip("\n").partition(": ")
        if name:
            event[name] = value
            continue
        if "event" in event:
            yield Said(event["event"], event.get("id"), json.loads(event["data"]))
        event = {}


async def eventually(ask: Callable[[], Awaitable[Found]], what: str) -> Found:
    """The first answer that is true. What is waited for has to come by itself before the deadline."""
    until = time.monotonic() + DEADLINE_S
    while not (found := await ask()):
        assert time.monotonic() < until, f"never: {what}"
        await asyncio.sleep(LOOK_AGAIN_S)
    return found


@asynccontextmanager
async def database(process: TiffinProcess, name: str = "local") -> AsyncGenerator[Node]:
    """The embedded database of a platform."""
    server = await asyncio.to_thread(EmbeddedServer.start, process.data_directory / "postgresql")
    node = await Node.open(name, server.url(name))
    try:
        yield node
    finally:
        await node.close()
        await asyncio.to_thread(server.stop)


async def rows_written(node: Node) -> dict[str, int]:
    """How many orders, copies, events, holds and payments a database has."""
    tables = {
        "orders": "orders.orders", "copies": "orders.orders_by_restaurant", "events": "log.events",
        "holds": "restaurants.holds", "payments": "payments.payments",
    }  # fmt: skip
    counts: dict[str, int] = {}
    for what, table in tables.items():
        row = await node.fetchrow(f"SELECT count(*) FROM {table}")
        assert row is not None
        counts[what] = row[0]
    return counts
