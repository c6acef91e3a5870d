"""`tiffin serve`: one service in this process, its peers in others."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import structlog
from prometheus_client import REGISTRY, start_http_server

from tiffin.cli.addresses import address_of, provider_url, split_address
from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.keeping import keep_log
from tiffin.cli.nodes import enter_nodes, find_nodes, open_nodes
from tiffin.cli.parts import PARTS, Ground, open_gateway
from tiffin.cli.parts.part import at_work, watching
from tiffin.cli.peers import contract_of, remote_peers
from tiffin.cli.sandbox import sandbox
from tiffin.cli.secret import read_secret
from tiffin.cli.stopping import stop_event
from tiffin.gateway.server import serve as serve_http
from tiffin.rpc.garbage import settle
from tiffin.rpc.server import DRAIN_S, RpcServer

_log = structlog.get_logger()


async def serve(config: Config, service: str, listen: str | None) -> None:
    """Run until SIGINT or SIGTERM; then take nothing new and finish what has begun."""
    stop = stop_event()
    structlog.contextvars.bind_contextvars(process=service)
    opened = {"gateway": _gateway, "sandbox": _sandbox, "log": _log_keeper}.get(service)
    async with opened(config, listen) if opened else _service(config, service, listen) as address:
        settle()
        _log.info("serving", address=address)
        await stop.wait()
        _log.info("stopping")


@asynccontextmanager
async def _service(config: Config, name: str, listen: str | None) -> AsyncGenerator[str]:
    host, port = address_of(config, name, listen)
    secret = read_secret(config.data_directory)
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(find_nodes(config))
        router = await stack.enter_async_context(enter_nodes(found.urls, name, secret))
        peers = await stack.enter_async_context(remote_peers(config))
        provider = provider_url(config) if name == "payments" else ""
        ground = Ground(config, router, secret, config.server.own_url, provider)
        part = await stack.enter_async_context(PARTS[name](ground, peers))
        await stack.enter_async_context(at_work([part, watching(router)]))
        stack.enter_context(_metrics(config, name))
        server = RpcServer({contract_of(name): part.service}, utc_now, registry=REGISTRY)
        stack.push_async_callback(server.drain, DRAIN_S)
        await server.listen(host, port)
        yield f"{host}:{server.address[1]}"


@contextmanager
def _metrics(config: Config, name: str) -> Generator[None]:
    """Metrics over HTTP, from a thread of its own; the gateway has them among its pages."""
    text = getattr(config.services, name).metrics
    if not text:
        yield
        return
    host, port = split_address(text)
    server, _ = start_http_server(port, host, REGISTRY)
    try:
        yield
    finally:
        server.shutdown()


@asynccontextmanager
async def _gateway(config: Config, listen: str | None) -> AsyncGenerator[str]:
    host, port = split_address(listen) if listen else (config.server.host, config.server.port)
    secret = read_secret(config.data_directory)
    async with (
        find_nodes(config) as found,
        enter_nodes(found.urls, "gateway", secret) as router,
        remote_peers(config) as peers,
        open_gateway(router, peers, config.server) as gateway,
        at_work([watching(router)]),
    ):
        server = await serve_http(gateway, host, port)
        try:
            yield server.url
        finally:
            await server.stop()


@asynccontextmanager
async def _sandbox(config: Config, listen: str | None) -> AsyncGenerator[str]:
    async with sandbox(
        config, read_secret(config.data_directory), utc_now, address_of(config, "sandbox", listen)
    ) as url:
        yield url


@asynccontextmanager
async def _log_keeper(config: Config, _: str | None) -> AsyncGenerator[str]:
    """The only one that enters the databases as their owner."""
    async with (
        open_nodes(config) as nodes,
        at_work([keep_log(nodes.router, config), watching(nodes.router)]),
    ):
        yield "nowhere"
