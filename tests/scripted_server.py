"""A small HTTP server that does what a test tells it, faults included."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Reply:
    """What the server says. `cut_after` bytes of it the connection is cut; `keep` False: closed after it."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    keep: bool = True

    def encode(self) -> bytes:
        body = b"" if self.body is None else msgspec.json.encode(self.body)
        headers = {"Content-Length": str(len(body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n{head}\r\n".encode() + body


NEVER = Reply(cut_after=-1)
"""No answer, and the connection stays."""


def problem(status: int, code: str, **more: Any) -> Reply:
    return Reply(status, {"status": status, "code": code, "detail": code, **more})


class Scripted:
    """Answers with what `answer` says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.connections = 0
        self.answer: Callable[[Request], Reply] = lambda request: Reply()
        self.gone = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    def paths(self) -> list[str]:
        return [request.path for request in self.asked]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        self._writers.add(writer)
        try:
            while await self._one(reader, writer, connection):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            self.gone.set()
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method, path, headers, body, connection)
        self.asked.append(request)
        reply = self.answer(request)
        if reply is NEVER:
            return True
        data = reply.encode()
        writer.write(data if reply.cut_after is None else data[: reply.cut_after])
        await writer.drain()
        return reply.keep and reply.cut_after is None
