"""Live streams: server-sent events of one order, and of one restaurant.

Every stream ends by itself: with the order, with the client, with the server, or after an hour, when the
client comes back with a token that is still good. `Last-Event-ID` says where an order's stream goes on.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec

from tiffin.events.live import LiveFeed
from tiffin.gateway.callers import Callers
from tiffin.gateway.exchange import Exchange, Receive
from tiffin.gateway.routes import OPERATOR, RESTAURANT
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.checks import misshapen

HEARTBEAT_S = 15.0
LIFETIME_MAX_S = 3600.0
SEND_MAX_S = 30.0
RETRY_MS = 2000
TERMINAL_STATES = frozenset({"completed", "cancelled"})

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
Request = TypeVar("Request", bound=msgspec.Struct)
_encode = msgspec.json.Encoder().encode


class Streams:
    """The open streams of this process."""

    def __init__(
        self, feed: LiveFeed, orders: c.Orders, restaurants: c.Restaurants, callers: Callers, *,
        open_max: int, heartbeat_s: float = HEARTBEAT_S,
    ) -> None:  # fmt: skip
        self._feed = feed
        self._orders = orders
        self._restaurants = restaurants
        self._callers = callers
        self._open_max = open_max
        self._heartbeat_s = heartbeat_s
        self._ends: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def open(self) -> int:
        """How many streams are open."""
        return len(self._ends)

    def close(self) -> None:
        """End every stream and open no more."""
        self._closed = True
        for end in self._ends:
            _settle(end)

    async def order(self, exchange: Exchange) -> None:
        """`GET /v1/orders/{order_id}/events`: the order as it is, then everything that happens to it."""
        caller = await self._caller(exchange)
        asked = _convert({"order_id": exchange.path_values[0]}, c.OrderRef)
        seen = _last_event_id(exchange)
        context = exchange.context(caller)
        await self._open(exchange, lambda stream: self._follow_order(stream, context, asked, seen))

    async def _follow_order(
        self, stream: "_Stream", context: c.CallContext, asked: c.OrderRef, seen: int | None
    ) -> None:
        async with self._feed.subscribe(order_id=asked.order_id) as events:
            # asked after subscribing: what is committed in between comes twice rather than never
            order = await self._orders.get(context, asked)
            timeline = await self._orders.timeline(context, asked)
            latest = max(order.version, timeline.events[-1].version if timeline.events else 0)
            over = order.state in TERMINAL_STATES or _is_over(timeline)
            if over and seen is not None and seen >= latest:
                await stream.stay_away()
                return
            await stream.start()
            await stream.say("order", order, order.version if seen is None else None)
            seen = order.version if seen is None else seen
            for event in timeline.events:
                if event.version > seen:
                    seen = event.version
                    await stream.say(event.type, event, event.version)
            if over:
                return
            async with aclosing(stream.each(events)) as happenings:
                async for event in happenings:
                    if event.version > seen:
                        seen = event.version
                        await stream.say(event.type, event, event.version)
                        if event.to_state in TERMINAL_STATES:
                            return

    async def restaurant(self, exchange: Exchange) -> None:
        """`GET /v1/restaurants/{restaurant_id}/events`: every order event of the restaurant from now on."""
        caller = await self._caller(exchange)
        if caller.role not in (RESTAURANT, OPERATOR):
            raise Refusal("forbidden", f"not for the role {caller.role}")
        asked = _convert({"restaurant_id": exchange.path_values[0]}, c.RestaurantRef)
        if caller.role == RESTAURANT and caller.id != asked.restaurant_id:
            raise Refusal("restaurant_not_found", "there is no such restaurant")
        await self._restaurants.get(exchange.context(caller), asked)
        await self._open(exchange, lambda stream: self._follow_restaurant(stream, asked.restaurant_id))

    async def _follow_restaurant(self, stream: "_Stream", restaurant_id: str) -> None:
        async with self._feed.subscribe(restaurant_id=restaurant_id) as events:
            await stream.start()
            async with aclosing(stream.each(events)) as happenings:
                async for event in happenings:
                    await stream.say(event.type, event, f"{event.order_id}:{event.version}")

    async def _open(
        self, exchange: Exchange, follow: Callable[["_Stream"], Coroutine[Any, Any, None]]
    ) -> None:
        if self._closed:
            raise Unavailable("stopping", "this server is about to stop")
        if len(self._ends) >= self._open_max:
            raise Unavailable("overloaded", "too many streams are open")
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.add(ended)
        gone = asyncio.create_task(_until_gone(exchange.receive, ended))
        try:
            stream = _Stream(exchange, ended, self._heartbeat_s)
            await follow(stream)
            if exchange.is_stream:
                await exchange.send({"type": "http.response.body", "body": b""})
        finally:
            self._ends.discard(ended)
            _settle(ended)
            gone.cancel()

    async def _caller(self, exchange: Exchange) -> c.Caller:
        """An EventSource cannot set headers: here, and only here, the token may be in the address."""
        query = exchange.query()
        token = query.pop("access_token", None)
        if query:
            raise Refusal("invalid_request", f"unknown query parameter: {', '.join(query)}")
        if token is None:
            return await self._callers.of(exchange)
        return await self._callers.by(token, exchange)


class _Stream:
    """The client's side of one stream."""

    def __init__(self, exchange: Exchange, ended: asyncio.Future[None], heartbeat_s: float) -> None:
        self._exchange = exchange
        self._ended = ended
        self._heartbeat_s = heartbeat_s

    async def start(self) -> None:
        exchange = self._exchange
        exchange.status, exchange.answered, exchange.is_stream = 200, True, True
        headers = [*_HEADERS, (b"x-request-id", exchange.request_id.encode())]
        await exchange.send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._write(b"retry: %d\n\n" % RETRY_MS)

    async def say(self, name: str, data: msgspec.Struct, event_id: int | str | None = None) -> None:
        head = f"event: {name}\n" if event_id is None else f"id: {event_id}\nevent: {name}\n"
        await self._write(head.encode() + b"data: " + _encode(data) + b"\n\n")

    async def stay_away(self) -> None:
        """There is nothing more to come: an EventSource that is told 204 does not come back."""
        exchange = self._exchange
        exchange.status, exchange.answered = 204, True
        headers = [(b"x-request-id", exchange.request_id.encode())]
        await exchange.send({"type": "http.response.start", "status": 204, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": b""})

    async def _write(self, piece: bytes) -> None:
        async with asyncio.timeout(SEND_MAX_S):
            await self._exchange.send({"type": "http.response.body", "body": piece, "more_body": True})

    async def each(self, events: AsyncIterator[c.OrderEvent]) -> AsyncGenerator[c.OrderEvent, None]:
        """The events as they come, with a heartbeat in every silence, until the stream has to end."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LIFETIME_MAX_S
        following = asyncio.ensure_future(_next(events))
        try:
            while loop.time() < until:
                await asyncio.wait(
                    {following, self._ended}, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED
                )
                if self._ended.done():
                    return
                if not following.done():
                    await self._write(b": still here\n\n")
                    continue
                event = following.result()
                if event is None:
                    return
                yield event
                following = asyncio.ensure_future(_next(events))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _next(events: AsyncIterator[c.OrderEvent]) -> c.OrderEvent | None:
    return await anext(events, None)


async def _until_gone(receive: Receive, ended: asyncio.Future[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    _settle(ended)


def _settle(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _is_over(timeline: c.Timeline) -> bool:
    return bool(timeline.events) and timeline.events[-1].to_state in TERMINAL_STATES


def _convert(values: dict[str, str], to: type[Request]) -> Request:
    try:
        return msgspec.convert(values, to)
    except msgspec.ValidationError as error:
        raise misshapen(error) from None


def _last_event_id(exchange: Exchange) -> int | None:
    given = exchange.headers.get(b"last-event-id")
    if given is None:
        return None
    if not given.isdigit() or len(given) > 9:
        raise Refusal("invalid_request", "the header Last-Event-ID must be a version of the order")
    return int(given)
