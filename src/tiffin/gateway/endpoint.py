"""A row of the table, compiled: from HTTP request to service call and back, nothing looked up on the way."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import asdict, fields

from tiffin.gateway.callers import Callers
from tiffin.gateway.exchange import Exchange
from tiffin.gateway.routes import Route
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.checks import misshapen, refuse_escaped_nul

JSON = b"application/json"
CSV = b"text/csv; charset=utf-8"
_encode = msgspec.json.Encoder().encode
_bodies: dict[tuple[type[msgspec.Struct], frozenset[str]], type[msgspec.Struct]] = {}

Call = Callable[[c.CallContext, Any], Awaitable[msgspec.Struct]]


class Load:
    """How many calls are under way in this process. Entering it is a call; too many are refused at once."""

    def __init__(self, in_flight_max: int) -> None:
        self.in_flight = 0
        self._in_flight_max = in_flight_max

    def __enter__(self) -> None:
        if self.in_flight >= self._in_flight_max:
            raise Unavailable("overloaded", "too many requests are under way")
        self.in_flight += 1

    def __exit__(self, *_: object) -> None:
        self.in_flight -= 1


class Shape:
    """Where the fields of a route's request come from."""

    def __init__(self, route: Route) -> None:
        service, _, method = route.call.partition(".")
        self.method = c.services[service][method]
        self.request = self.method.request
        self.path_names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
        bound = {*self.path_names, *route.headers}
        of_caller = [name for name in (route.subject, route.party) if name]
        set_by_us = {*route.fixed, *route.without, *of_caller}
        offered = [field for field in fields(self.request) if field.name not in bound | set_by_us]
        self.offered = {field.name: field for field in offered}
        self.has_body = route.method in ("POST", "PUT", "PATCH")
        self.bound = _part("Bound", self.request, frozenset(bound))
        self.body = _body_type(self.request, frozenset(self.offered)) if self.has_body else None


def _body_type(request: type[msgspec.Struct], names: frozenset[str]) -> type[msgspec.Struct]:
    """The request without what comes from elsewhere: those fields are unknown in a body, and refused."""
    if len(names) == len(fields(request)):
        return request
    if (request, names) not in _bodies:
        made = sum(1 for known, _ in _bodies if known is request)
        name = f"{request.__name__}Body{made + 1 if made else ''}"
        _bodies[request, names] = _part(name, request, names)
    return _bodies[request, names]


def _part(name: str, of: type[msgspec.Struct], names: frozenset[str]) -> type[msgspec.Struct]:
    parts: list[Any] = [
        (field.name, field.type) if field.required else (field.name, field.type, field.default)
        for field in fields(of)
        if field.name in names
    ]
    return msgspec.defstruct(name, parts, kw_only=True, forbid_unknown_fields=True, gc=False)


class Endpoint:
    """Answers one route: who calls, does the request have the contract's shape, call, encode."""

    def __init__(self, route: Route, services: Mapping[str, object], callers: Callers, load: Load) -> None:
        self.shape = shape = Shape(route)
        service, _, method = route.call.partition(".")
        self._call: Call = getattr(services[service], method)
        self._callers = callers
        self._load = load
        self._roles = frozenset(route.roles)
        self._status = route.status
        self._subject = route.subject
        self._party = route.party
        self._csv = route.csv
        self._fixed = dict(route.fixed)
        self._path_names = shape.path_names
        self._headers = [(name, header, header.lower().encode()) for name, header in route.headers.items()]
        self._request = shape.request
        self._bound = shape.bound
        self._offered = frozenset(shape.offered)
        self._body_bytes_max = route.body_bytes_max
        self._decode = msgspec.json.Decoder(shape.body).decode if shape.body else None
        self._empty_body = b"{}" if not any(field.required for field in shape.offered.values()) else b""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer, or raise a `Refusal` or `Unavailable`."""
        if self._roles:
            caller = await self._callers.of(exchange)
            if caller.role not in self._roles:
                raise Refusal("forbidden", f"not for the role {caller.role}")
        else:
            caller = self._callers.visitor(exchange)
        body = await self._read_body(exchange) if self._decode else b""
        with self._load:
            request = self._request_of(exchange, caller, body)
            result = await self._call(exchange.context(caller), request)
        if self._csv is not None:
            await exchange.answer(self._status, getattr(result, self._csv).encode(), CSV)
        else:
            await exchange.answer(self._status, _encode(result), JSON)

    async def _read_body(self, exchange: Exchange) -> bytes:
        body = await exchange.body(self._body_bytes_max)
        content_type = exchange.headers.get(b"content-type", JSON)
        if content_type != JSON and body and not _is_json(content_type):
            raise Refusal("unsupported_media_type", "the body must be application/json")
        return body

    def _request_of(self, exchange: Exchange, caller: c.Caller, body: bytes) -> msgspec.Struct:
        values = self._bound_values(exchange)
        try:
            if self._decode is None:
                values.update(self._query(exchange))
            else:
                if exchange.scope["query_string"]:
                    raise Refusal("invalid_request", "this endpoint takes no query parameters")
                if values:
                    msgspec.convert(values, self._bound)
                refuse_escaped_nul(body)
                values.update(asdict(self._decode(body or self._empty_body)))
            values.update(self._fixed)
            if self._subject is not None:
                values[self._subject] = caller.id
            if self._party is not None:
                values[self._party] = f"{caller.role}:{caller.id}"
            if self._decode is None:
                return msgspec.convert(values, self._request, strict=False)
            return self._request(**values)
        except msgspec.ValidationError as error:
            raise misshapen(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal("invalid_json", f"the body cannot be read as JSON: {error}") from None

    def _bound_values(self, exchange: Exchange) -> dict[str, Any]:
        """What the path and the headers say."""
        values: dict[str, Any] = dict(zip(self._path_names, exchange.path_values, strict=True))
        for name, header, key in self._headers:
            value = exchange.headers.get(key)
            if value is None:
                raise Refusal("invalid_request", f"the header {header} is missing", {"header": header})
            values[name] = value.decode("latin-1")
        return values

    def _query(self, exchange: Exchange) -> dict[str, str]:
        query = exchange.query()
        if not self._offered.issuperset(query):
            unknown = ", ".join(sorted(set(query) - self._offered))
            raise Refusal("invalid_request", f"unknown query parameter: {unknown}")
        return query


def _is_json(content_type: bytes) -> bool:
    media_type = content_type.partition(b";")[0].strip().lower()
    return media_type == JSON or (media_type.startswith(b"application/") and media_type.endswith(b"+json"))
