"""The gateway as an ASGI application: finds what answers a request, and answers when that fails."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import structlog
from prometheus_client import CollectorRegistry, Gauge, Histogram

from tiffin.events.live import LiveFeed
from tiffin.gateway.asyncapi import asyncapi_document
from tiffin.gateway.callers import Callers
from tiffin.gateway.endpoint import Endpoint, Load
from tiffin.gateway.exchange import ClientGoneError, Exchange, Receive, Scope, Send
from tiffin.gateway.openapi import openapi_document
from tiffin.gateway.pages import Needs, pages
from tiffin.gateway.paths import Paths
from tiffin.gateway.problems import CONTENT_TYPE, problem_of
from tiffin.gateway.routes import ROUTES, Route
from tiffin.gateway.streams import Streams
from tiffin.gateway.webhooks import PaymentNotices
from tiffin.observability.metrics import DURATION_BUCKETS_S
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c

Handler = Callable[[Exchange], Awaitable[None]]

UNKNOWN_ROUTE = "(none)"

_log = structlog.get_logger()


@dataclass(frozen=True)
class Limits:
    """What one process takes on at once."""

    in_flight_max: int = 512
    streams_max: int = 1000
    slow_s: float = 2.0
    """A request that takes longer is logged."""
    visits_per_minute: int = 30
    """Requests without a token (signing in) from one address, and as many at once."""
    trusted_proxies: Sequence[str] = ()
    """Networks whose `X-Forwarded-For` is believed."""
    heartbeat_s: float = 15.0


class Gateway:
    """HTTP in, service calls out. `services` by the names of their contracts: `Orders`, `Users`, ..."""

    def __init__(
        self, services: Mapping[str, object], clock: Clock, *,
        feed: LiveFeed, needs: Needs, registry: CollectorRegistry,
        limits: Limits = Limits(), routes: Sequence[Route] = ROUTES,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._limits = limits
        self._load = Load(limits.in_flight_max)
        self.callers = Callers(
            cast(c.Users, services["Users"]), clock, limits.visits_per_minute, limits.trusted_proxies
        )
        self._streams = Streams(
            feed, cast(c.Orders, services["Orders"]), cast(c.Restaurants, services["Restaurants"]),
            self.callers, open_max=limits.streams_max, heartbeat_s=limits.heartbeat_s,
        )  # fmt: skip
        self._paths: Paths[Handler] = Paths()
        for route in routes:
            self._paths.add(route.method, route.path, Endpoint(route, services, self.callers, self._load))
        self._paths.add("GET", "/v1/orders/{order_id}/events", self._streams.order)
        self._paths.add("GET", "/v1/restaurants/{restaurant_id}/events", self._streams.restaurant)
        notices = PaymentNotices(cast(c.Payments, services["Payments"]), self._load)
        self._paths.add("POST", "/v1/webhooks/payments", notices)
        documents = openapi_document(routes), asyncapi_document()
        for path, page in pages(*documents, needs, registry, self.callers.tokens.jwks).items():
            self._paths.add("GET", path, page)
        self._durations = _Durations(registry, self._load, self._streams)

    def close(self) -> None:
        """End the open streams: a server that wants to stop calls this first."""
        self._streams.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            raise NotImplementedError(f"{scope['type']} is not served here")
        exchange = Exchange(scope, receive, send, self._clock().timestamp())
        try:
            leaf, exchange.path_values = self._paths.find(scope["raw_path"])
            exchange.route = leaf.template
            await leaf.handler(scope["method"])(exchange)
        except ClientGoneError:
            return
        except Exception as error:
            await self._answer_failure(exchange, error)
        self._account(exchange)

    async def _answer_failure(self, exchange: Exchange, error: Exception) -> None:
        if not isinstance(error, Refusal | Unavailable):
            _log.error(
                "request_failed", request_id=exchange.request_id, method=exchange.scope["method"],
                route=exchange.route, exc_info=error,
            )  # fmt: skip
        if not exchange.answered:
            problem = problem_of(error, exchange.request_id)
            await exchange.answer(problem.status, problem.body, CONTENT_TYPE, problem.headers)

    def _account(self, exchange: Exchange) -> None:
        took_s = max(0.0, self._clock().timestamp() - exchange.started_s)
        self._durations.observe(exchange, took_s)
        if took_s > self._limits.slow_s and not exchange.is_stream:
            _log.warning(
                "request_slow", request_id=exchange.request_id, method=exchange.scope["method"],
                route=exchange.route, status=exchange.status, took_s=round(took_s, 3),
            )  # fmt: skip


class _Durations:
    """How long answers take. The histogram's children are kept: finding one is dearer than counting."""

    def __init__(self, registry: CollectorRegistry, load: Load, streams: Streams) -> None:
        self._histogram = Histogram(
            "tiffin_http_request_duration_seconds", "From the request's first byte to the answer's last.",
            ["method", "route", "status"], buckets=DURATION_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self._children: dict[tuple[str, str, int], Histogram] = {}
        in_flight = Gauge("tiffin_http_requests_in_flight", "Service calls under way.", registry=registry)
        in_flight.set_function(lambda: load.in_flight)
        open_streams = Gauge("tiffin_http_streams_open", "Open event streams.", registry=registry)
        open_streams.set_function(lambda: streams.open)

    def observe(self, exchange: Exchange, took_s: float) -> None:
        if exchange.is_stream:
            return
        # a method nobody asked for has no route, so neither makes labels without end
        key = (exchange.scope["method"] if exchange.route else "", exchange.route, exchange.status)
        child = self._children.get(key)
        if child is None:
            method, route, status = key
            child = self._histogram.labels(method, route or UNKNOWN_ROUTE, str(status))
            self._children[key] = child
        child.observe(took_s)
