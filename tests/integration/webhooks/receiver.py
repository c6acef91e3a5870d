"""A receiver of webhooks on a real socket: keeps what it is sent, answers what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Request:
    """What came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Of the delivery."""
        return self.headers["webhook-id"]


Answer = Callable[[Request], web.StreamResponse | Awaitable[web.StreamResponse]]


def ok(_: Request) -> web.StreamResponse:
    """Taken."""
    return web.Response(text="thanks")


@dataclass
class Receiver:
    """The far side."""

    url: str
    requests: list[Request] = field(default_factory=list[Request])
    answer: Answer = ok

    @property
    def ids(self) -> list[str]:
        """Of what came, in its order."""
        return [request.id for request in self.requests]

    @classmethod
    @asynccontextmanager
    async def open(cls, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator["Receiver"]:
        """Listens there; port 0 is any free one."""
        app = web.Application()
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        receiver = cls("")

        async def take(request: web.Request) -> web.StreamResponse:
            came = Request(
                {name.lower(): value for name, value in request.headers.items()}, await request.read()
            )
            receiver.requests.append(came)
            answer = receiver.answer(came)
            return answer if isinstance(answer, web.StreamResponse) else await answer

        app.router.add_route("*", "/{path:.*}", take)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        receiver.url = f"http://{host}:{runner.addresses[0][1]}/hook"
        try:
            yield receiver
        finally:
            await runner.cleanup()


def says(status: int, text: str = "") -> Answer:
    """Always this."""
    return lambda _: web.Response(status=status, text=text)


def silent(release: asyncio.Event) -> Answer:
    """Nothing, until it may."""

    async def answer(_: Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    return answer
