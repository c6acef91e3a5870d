"""What is no service call: health, metrics, the documents, the page to try it. Starlette's part."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

import msgspec
import structlog
from prometheus_client import CollectorRegistry
from starlette.responses import HTMLResponse, JSONResponse, Response

from tiffin.gateway.exchange import Exchange
from tiffin.observability.metrics import CONTENT_TYPE, exposition
from tiffin.primitives.errors import Unavailable

Ready = Callable[[], Awaitable[None]]
"""Returns if the platform can take orders, raises if it cannot."""

JWKS_KEPT_S = 30
"""Less than a new key is known before it signs."""
READY_MAX_S = 2.0
_PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}

_log = structlog.get_logger()


def pages(
    document: Mapping[str, object],
    events: Mapping[str, object],
    ready: Ready,
    registry: CollectorRegistry,
    jwks: Callable[[], Awaitable[Mapping[str, object]]],
) -> dict[str, Callable[[Exchange], Awaitable[None]]]:
    """What answers `GET`, by path."""
    described, events_described = msgspec.json.encode(document), msgspec.json.encode(events)
    try_it = (files("tiffin.gateway") / "try_it.html").read_text()

    def fixed(response: Response) -> Callable[[Exchange], Awaitable[None]]:
        return lambda exchange: _send(exchange, response)

    async def check(exchange: Exchange) -> None:
        try:
            async with asyncio.timeout(READY_MAX_S):
                await ready()
        except Exception as error:
            _log.warning("not_ready", error=repr(error))
            raise Unavailable("not_ready", "the platform cannot take requests now") from error
        await _send(exchange, JSONResponse({"status": "ready"}))

    async def metrics(exchange: Exchange) -> None:
        await _send(exchange, Response(exposition(registry), media_type=CONTENT_TYPE))

    async def keys(exchange: Exchange) -> None:
        headers = {"cache-control": f"public, max-age={JWKS_KEPT_S}"}
        await _send(
            exchange, JSONResponse(await jwks(), headers=headers, media_type="application/jwk-set+json")
        )

    page = fixed(HTMLResponse(try_it, headers=_PAGE_HEADERS))
    return {
        "/": page,
        "/docs": page,
        "/openapi.json": fixed(Response(described, media_type="application/json")),
        "/asyncapi.json": fixed(Response(events_described, media_type="application/json")),
        "/.well-known/jwks.json": keys,
        "/livez": fixed(JSONResponse({"status": "alive"})),
        "/readyz": check,
        "/metrics": metrics,
    }


async def _send(exchange: Exchange, response: Response) -> None:
    exchange.status, exchange.answered = response.status_code, True
    await response(exchange.scope, exchange.receive, exchange.send)
