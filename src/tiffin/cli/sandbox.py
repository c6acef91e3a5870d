"""The sandbox payment provider beside the platform: an HTTP server of its own, with its own memory."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn

from tiffin.cli.config import Config
from tiffin.primitives.clock import Clock
from tiffin.services.payments.sandbox.app import create_app


@asynccontextmanager
async def sandbox(
    config: Config, secret: bytes, clock: Clock, address: tuple[str, int] = ("127.0.0.1", 0)
) -> AsyncGenerator[str]:
    """Run the provider at an address, or on a free port of this machine. Gives its URL. Its charges outlive
    this process."""
    journal = config.data_directory / "sandbox-charges.jsonl"
    app = await create_app(secret, lambda: clock().timestamp(), journal)
    listening = socket.create_server(address)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, log_level="warning", access_log=False, lifespan="on")
    )
    server.install_signal_handlers = lambda: None  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve([listening]), name="sandbox provider")
    try:
        yield f"http://{address[0]}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
