"""A TCP proxy that fails on demand: put it between a client and a real server."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65536

Fault = Literal["cut", "silence"]
"""What befalls a connection: cut, or half-open: up, and nothing passes any more."""


class TcpProxy:
    """Forwards to one server. Faults are set on the proxy and act on what passes from then on.

    `latency_s` delays every chunk, both ways. `swallow_replies` loses what the server says while connections
    stay up. `on_reply(data)` may name a fault: that chunk of the server's is lost, the fault befalls its
    connection, and `on_reply` is forgotten.
    """

    def __init__(self, server_url: str) -> None:
        self.latency_s = 0.0
        self.swallow_replies = False
        self.on_reply: Callable[[bytes], Fault | None] | None = None
        self.accepted = 0
        self.cuts = 0
        self._server = urlsplit(server_url)
        self._to_server_left: int | None = None
        self._to_client_left: int | None = None
        self._links: set[_Link] = set()
        self._listener: asyncio.Server | None = None
        self._port = 0

    @classmethod
    @asynccontextmanager
    async def before(cls, url: str) -> AsyncGenerator[Self]:
        """A proxy in front of the server of a URL; its own `url` leads through it."""
        proxy = cls(url)
        await proxy.open()
        try:
            yield proxy
        finally:
            await proxy.close()

    @property
    def url(self) -> str:
        """The server's URL with the proxy's address in it."""
        credentials, at, _ = self._server.netloc.rpartition("@")
        return urlunsplit(self._server._replace(netloc=f"{credentials}{at}127.0.0.1:{self._port}"))

    async def open(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections from now on and cut those there are."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self, *, server_side_too: bool = True) -> None:
        """Cut every connection now. With `server_side_too=False` the server does not notice."""
        for link in list(self._links):
            self._cut(link, server_side_too=server_side_too)

    def cut_after(self, *, to_server: int | None = None, to_client: int | None = None) -> None:
        """Cut the connection that carries the n-th byte from now on, after that byte; once."""
        self._to_server_left, self._to_client_left = to_server, to_client

    def _cut(self, link: "_Link", *, server_side_too: bool = True) -> None:
        self.cuts += 1
        link.client.transport.abort()
        if server_side_too:
            link.server.transport.abort()
            self._links.discard(link)

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            server_reader, server = await asyncio.open_connection(self._server.hostname, self._server.port)
        except OSError:
            client.transport.abort()
            return
        link = _Link(client, server)
        self._links.add(link)
        await asyncio.gather(
            self._pump(link, reader, server, to_server=True),
            self._pump(link, server_reader, client, to_server=False),
        )
        for writer in (client, server):
            writer.transport.abort()
        self._links.discard(link)

    async def _pump(
        self, link: "_Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool
    ) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                if link.silent or (not to_server and self._lose(link, data)):
                    continue
                data, last = self._limited(data, to_server=to_server)
                writer.write(data)
                await writer.drain()
                if last:
                    await asyncio.sleep(0)  # what was written goes out before the connection does
                    self._cut(link)
        except OSError:
            pass
        if link in self._links and not writer.is_closing():
            writer.close()

    def _lose(self, link: "_Link", data: bytes) -> bool:
        fault = self.on_reply(data) if self.on_reply is not None else None
        if fault is None:
            return self.swallow_replies
        self.on_reply = None
        if fault == "cut":
            self._cut(link)
        else:
            link.silent = True
        return True

    def _limited(self, data: bytes, *, to_server: bool) -> tuple[bytes, bool]:
        left = self._to_server_left if to_server else self._to_client_left
        if left is None:
            return data, False
        passed = data[:left]
        left -= len(passed)
        rest = None if left == 0 else left
        if to_server:
            self._to_server_left = rest
        else:
            self._to_client_left = rest
        return passed, rest is None


class _Link:
    """One client's connection and its counterpart."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.silent = False
