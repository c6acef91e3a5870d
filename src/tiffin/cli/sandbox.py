"""The sandbox payment provider beside the platform: an HTTP server of its own, with its own memory."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from tiffin.audit import StatementLine
from tiffin.cli.config import Config
from tiffin.primitives.clock import Clock
from tiffin.services.payments.sandbox.app import KEEP_ALIVE_S, create_app
from tiffin.services.payments.sandbox.book import Book


def journal_of(config: Config) -> Path:
    """Where the sandbox of a data directory keeps its charges."""
    return config.data_directory / "sandbox-charges.jsonl"


def sandbox_statement(config: Config) -> list[StatementLine] | None:
    """What the sandbox of this data directory says has moved, as of now. None: there never was one here."""
    journal = journal_of(config)
    if not journal.exists():
        return None
    return [
        StatementLine(line.kind, line.key, line.amount, line.currency) for line in Book.peek(journal).lines
    ]


@asynccontextmanager
async def sandbox(
    config: Config, secret: bytes, clock: Clock, address: tuple[str, int] = ("127.0.0.1", 0)
) -> AsyncGenerator[str]:
    """Run the provider at an address, or on a free port of this machine. Gives its URL. Its charges outlive
    this process."""
    app = await create_app(secret, lambda: clock().timestamp(), journal_of(config))
    listening = socket.create_server(address)
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, log_level="warning", access_log=False, lifespan="on",
            timeout_keep_alive=KEEP_ALIVE_S,
        )
    )  # fmt: skip
    server.install_signal_handlers = lambda: None  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve([listening]), name="sandbox provider")
    try:
        yield f"http://{address[0]}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
