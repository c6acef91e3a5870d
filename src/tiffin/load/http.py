"""A client for one HTTP server that costs little: the load shares its cores with the server it drives.

Connections are kept alive and taken last in, first out. A request either gets the server's answer or
raises `NoAnswer`: then its outcome is unknown, and only the caller knows whether it may be sent again.
"""

import asyncio
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools
import msgspec


class NoAnswer(Exception):
    """No whole answer came: refused, cut, or too late. `sent` is False if the server cannot have acted."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class _Problem(msgspec.Struct):
    code: str = "unknown"
    detail: str = ""


class Answer(NamedTuple):
    """What the server said."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The stable code of a problem+json; `http_<status>` for an error in any other shape."""
        try:
            return msgspec.json.decode(self.body, type=_Problem).code
        except msgspec.MsgspecError:
            return f"http_{self.status}"


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on it."""

    def __init__(self) -> None:
        self.usable = False
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not say it is one
        self.usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection lost: {exc}" if exc else "connection closed by the server")

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self._fail("an answer nobody asked for")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        waiting, self._answer = self._answer, None
        if waiting is None or waiting.done():
            return
        status = self._parser.get_status_code()
        answer = Answer(status, b"".join(self._body))
        if not self._parser.should_keep_alive():
            self._close()
        waiting.set_result(answer)

    async def exchange(self, request: bytes, deadline_s: float) -> Answer:
        """Send `request` and wait for its answer. `NoAnswer` if none comes within the deadline."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._body = []
        self._parser = httptools.HttpResponseParser(self)
        self._answer = answer = loop.create_future()
        timer = loop.call_later(deadline_s, self._fail, f"no answer within {deadline_s:g} s")
        self._transport.write(request)
        try:
            return await answer
        except asyncio.CancelledError:
            self._fail("cancelled")
            raise
        finally:
            timer.cancel()

    def _fail(self, reason: str) -> None:
        self._close()
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(NoAnswer(reason, sent=True))

    def _close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    close = _close


class Http:
    """Requests to the server at `base_url` (plain HTTP) over at most `connections_max` connections.

    `deadline_s` bounds each exchange, not the wait for a free connection: who sends more than the server
    takes sees that in the time it waits.
    """

    def __init__(self, base_url: str, connections_max: int = 128, deadline_s: float = 10.0) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"an address such as http://127.0.0.1:8080 is needed, not {base_url!r}")
        self._host, self._port = parts.hostname, parts.port or 80
        self._prefix = parts.path.rstrip("/")
        self._tail = f" HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._deadline_s = deadline_s
        self._free = asyncio.Semaphore(connections_max)
        self._idle: list[_Connection] = []

    async def request(
        self, method: str, path: str, token: str = "", body: bytes = b"", idempotency_key: str = ""
    ) -> Answer:
        """The server's answer, whatever its status. `NoAnswer` if the outcome is unknown."""
        head = f"{method} {self._prefix}{path}{self._tail}"
        if token:
            head += f"Authorization: Bearer {token}\r\n"
        if idempotency_key:
            head += f"Idempotency-Key: {idempotency_key}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        else:
            head += "\r\n" if method == "GET" else "Content-Length: 0\r\n\r\n"
        async with self._free:
            connection = await self._connection()
            answer = await connection.exchange(head.encode("latin-1") + body, self._deadline_s)
            self._idle.append(connection)
            return answer

    async def close(self) -> None:
        """Close every idle connection. Requests under way are their callers' to end."""
        while self._idle:
            self._idle.pop().close()

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline_s):
                _, connection = await loop.create_connection(_Connection, self._host, self._port)
        except (OSError, TimeoutError) as error:
            raise NoAnswer(f"cannot connect: {error}", sent=False) from error
        return connection
