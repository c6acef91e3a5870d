"""uvicorn's protocol, with two things of our own: an answer in one write, and limits of a request's head."""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES_MAX = 64 * 1024
"""Request line and headers; what one read brings beyond it is let pass."""
HEADERS_MAX = 1000
"""With those that may come after the body, which a request may not have endlessly, either."""
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""A whole request as it is sent. Bodies are limited to less (`Route.body_bytes_max`); what their chunks cost
and what comes after them is counted here only."""

HEAD_S = 30.0
"""So long, or twice that, a connection may be without a request, or a request without the end of its head.
Between two requests it is uvicorn's `timeout_keep_alive`, within a body the exchange's deadline."""


def _refusal(status: bytes, words: bytes) -> bytes:
    return (
        b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
        b"connection: close\r\n\r\n%b" % (status, len(words), words)
    )


_TOO_LARGE = _refusal(b"431 Request Header Fields Too Large", b"The request's head is too large")
_TOO_LATE = _refusal(b"408 Request Timeout", b"The request's head did not arrive in time")


class OneWriteProtocol(HttpToolsProtocol):
    """On a transport that holds an answer's head back until its body follows: a system call saved is a tenth
    of what a request costs.

    The parser keeps whatever comes before a head ends, and puts a long header together anew with every read:
    without a limit one visitor could hold up everybody.
    """

    _counted: object = None
    """The request that the bytes are of."""
    _bytes = 0
    _awaited: object = None
    """The request that was being waited for at the last look; none has begun yet: None."""
    _look: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, _HeadWaits(transport, self.loop)))
        self._look = self.loop.call_later(HEAD_S, self._look_at_head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look.cancel()
        super().connection_lost(exc)

    def _look_at_head(self) -> None:
        """Close a connection on which no request comes, or one that does not get on."""
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is None or cycle.scope is not self.scope or self._has_lost_its_timeout(cycle):
            if self._awaited is self.scope:
                if self._awaited is not None:
                    self.transport.write(_TOO_LATE)
                self.transport.close()
                return
            self._awaited = self.scope
        self._look = self.loop.call_later(HEAD_S, self._look_at_head)

    def _has_lost_its_timeout(self, cycle: RequestResponseCycle) -> bool:
        """Line ends behind a request take uvicorn's keep-alive away and begin nothing."""
        return cycle.response_complete and self.timeout_keep_alive_task is None

    def data_received(self, data: bytes) -> None:
        """Feed the parser, as long as the request is not larger than any request may be."""
        super().data_received(data)
        scope = self.scope
        if scope is not self._counted:  # one that has just begun, as nearly every one whole
            self._counted, self._bytes = scope, 0
            return
        self._bytes += len(data)
        if self._bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._check(is_head=getattr(self.cycle, "scope", None) is not scope)

    def _check(self, *, is_head: bool) -> None:
        if is_head or self._bytes > MESSAGE_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            self.logger.warning("Too large an HTTP request received.")
            if is_head:
                self.transport.write(_TOO_LARGE)
            self.transport.close()


class _HeadWaits:
    """What uvicorn uses of a transport. A head that no body follows goes out in the same turn of the loop."""

    __slots__ = ("_head", "_loop", "_transport", "get_extra_info", "is_closing", "pause_reading",
                 "resume_reading")  # fmt: skip

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif data.startswith(b"HTTP/") and data.endswith(b"\r\n\r\n"):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)
