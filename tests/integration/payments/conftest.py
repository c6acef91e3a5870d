"""The payments service between a desk that stands for the orders service and the real sandbox, over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integration.payments.payments_bench import SECRET, Bench, Inbox
from manual_clock import ManualClock
from tiffin.services.payments.sandbox import KEEP_ALIVE_S, Delays, create_app
from tiffin.sharding.router import Router


class _Server(uvicorn.Server):
    """One that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve an application on a port of its own. Gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=1, timeout_keep_alive=KEEP_ALIVE_S
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:  # uvicorn offers nothing to wait for
        await asyncio.sleep(0)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task


@pytest.fixture(scope="session")
async def inbox() -> AsyncIterator[Inbox]:
    """Where the sandbox's webhooks arrive; they go on to `inbox.payments`."""
    inbox = Inbox()

    async def take(request: Request) -> Response:
        body = (await request.body()).decode()
        known = await inbox.take(body, request.headers["Payment-Signature"])
        return Response(status_code=200 if known else 404)

    async with serving(Starlette(routes=[Route("/notices", take, methods=["POST"])])) as url:
        inbox.url = f"{url}/notices"
        yield inbox


@pytest.fixture(scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(scope="session")
def bench_clock() -> ManualClock:
    """Only ever goes on; the sandbox signs by it, too."""
    return ManualClock(datetime(2026, 6, 1, 12, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
async def sandbox_url(bench_clock: ManualClock) -> AsyncIterator[str]:
    """The sandbox over HTTP."""
    delays = Delays(slow_s=0.02, webhook_retries_s=())
    app = await create_app(SECRET, lambda: bench_clock().timestamp(), delays=delays)
    async with serving(app) as url:
        yield url


@pytest.fixture(scope="session")
async def lasting_bench(
    router: Router, bench_clock: ManualClock, inbox: Inbox, session: aiohttp.ClientSession, sandbox_url: str
) -> AsyncIterator[Bench]:
    """A payments service on one node, and everything around it; orders are a test's own."""
    bench = Bench(router, bench_clock, inbox, session, sandbox_url)
    inbox.payments = bench.payments
    yield bench
    await bench.close()


@pytest.fixture
async def bench(lasting_bench: Bench) -> AsyncIterator[Bench]:
    """The same; the instances that a test starts end with it."""
    yield lasting_bench
    await lasting_bench.close_lent()
