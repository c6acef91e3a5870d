"""One HTTP request and its answer, as the handlers see them."""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from tiffin.gateway.paths import decode_percent
from tiffin.gateway.problems import Headers
from tiffin.primitives.errors import Refusal
from tiffin.rpc.context import TIMEOUT_MS
from tiffin.rpc.contracts import CallContext, Caller

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

QUERY_FIELDS_MAX = 20

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_TRACE_PARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


_request_ids = itertools.count()


@cache
def _process() -> str:
    """A random name. Drawn with the first request, not at import: processes may be forked after that."""
    return uuid4().hex[:20]


def next_request_id() -> str:
    """Unique like a UUID, at a tenth of its price: this process's random name and a number."""
    return f"{_process()}{next(_request_ids):012x}"


class ClientGoneError(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class Exchange:
    """A request with the means to answer it. `started_s` is when it came, in seconds since the epoch."""

    __slots__ = ("answered", "headers", "is_stream", "path_values", "receive", "request_id", "route",
                 "scope", "send", "started_s", "status")  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send, started_s: float) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.started_s = started_s
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id")
        self.request_id = given.decode() if given and _REQUEST_ID.fullmatch(given) else next_request_id()
        self.path_values: Sequence[str] = ()
        self.route = ""
        self.status = 0
        self.answered = False
        self.is_stream = False

    def context(self, caller: Caller) -> CallContext:
        """The context of the call this request becomes."""
        trace = self.headers.get(b"traceparent")
        return CallContext(
            request_id=self.request_id,
            caller=caller,
            deadline_ms=int(self.started_s * 1000) + TIMEOUT_MS,
            trace_parent=trace.decode() if trace and _TRACE_PARENT.fullmatch(trace) else None,
        )

    def query(self) -> dict[str, str]:
        """The query's parameters. A `Refusal` if they cannot be read or one is given twice."""
        raw: bytes = self.scope["query_string"]
        if not raw:
            return {}
        try:
            text = raw.decode("ascii")
            decode_percent(text)
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=QUERY_FIELDS_MAX)
        except ValueError:
            raise Refusal("invalid_encoding", "the query cannot be read") from None
        query = dict(pairs)
        if len(query) != len(pairs):
            raise Refusal("invalid_request", "a query parameter is given twice")
        return query

    async def body(self, bytes_max: int) -> bytes:
        """The whole body. Refused before it is read if it says it is too large, or as soon as it is."""
        declared = self.headers.get(b"content-length")
        if declared is not None and int(declared) > bytes_max:
            raise _too_large(bytes_max)
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body: bytes = message["body"]
        if message["more_body"]:
            body = await self._rest_of_body(body, bytes_max)
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        return body

    async def _rest_of_body(self, first: bytes, bytes_max: int) -> bytes:
        pieces, size, more = [first], len(first), True
        try:
            async with asyncio.timeout(TIMEOUT_MS / 1000):
                while more and size <= bytes_max:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGoneError
                    pieces.append(message["body"])
                    size += len(message["body"])
                    more = message["more_body"]
        except TimeoutError:
            raise Refusal("request_timeout", "the body did not arrive in time") from None
        return b"".join(pieces)

    async def answer(
        self, status: int, body: bytes, content_type: bytes, more: Headers | None = None
    ) -> None:
        """Send the whole answer."""
        headers = [
            (b"content-type", content_type),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", self.request_id.encode()),
        ]
        if more:
            headers += more
        self.status, self.answered = status, True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _too_large(bytes_max: int) -> Refusal:
    return Refusal(
        "request_too_large", f"the body is larger than {bytes_max} bytes", {"bytes_max": bytes_max}
    )
