"""What is no service call: health, metrics, the documents, the page to try it. Starlette's part."""

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

import msgspec
import structlog
from prometheus_client import CollectorRegistry
from starlette.responses import HTMLResponse, JSONResponse, Response

from tiffin.gateway.exchange import Exchange
from tiffin.observability.metrics import CONTENT_TYPE, exposition
from tiffin.primitives.errors import Unavailable

Needs = Callable[[], Awaitable[Mapping[str, bool]]]
"""What this gateway needs, by name: whether it can be reached now. Says so within seconds."""

JWKS_KEPT_S = 30
"""Less than a new key is known before it signs."""
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
    needs: Needs,
    registry: CollectorRegistry,
    jwks: Callable[[], Awaitable[Mapping[str, object]]],
) -> dict[str, Callable[[Exchange], Awaitable[None]]]:
    """What answers `GET`, by path."""
    described, events_described = msgspec.json.encode(document), msgspec.json.encode(events)
    try_it = (files("tiffin.gateway") / "try_it.html").read_text()

    def fixed(response: Response) -> Callable[[Exchange], Awaitable[None]]:
        return lambda exchange: _send(exchange, response)

    async def ready(exchange: Exchange) -> None:
        """Not ready is only who reaches nothing: what one service's failure costs is the same at every
        gateway, so taking them all out for it would only add to it."""
        needed = await needs()
        missing = [name for name, is_reached in needed.items() if not is_reached]
        if missing:
            _log.warning("needs_missing", missing=missing)
            if len(missing) == len(needed):
                raise Unavailable("not_ready", "nothing that is needed can be reached")
        await _send(
            exchange, JSONResponse({"status": "degraded" if missing else "ready", "missing": missing})
        )

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
        "/readyz": ready,
        "/metrics": metrics,
    }


async def _send(exchange: Exchange, response: Response) -> None:
    exchange.status, exchange.answered = response.status_code, True
    await response(exchange.scope, exchange.receive, exchange.send)
