"""`tiffin up`: the whole platform in this process."""

import asyncio
import signal
import socket

from rich.console import Console
from rich.panel import Panel

from tiffin.cli.config import Config
from tiffin.cli.platform import open_platform
from tiffin.cli.running import announce, claim
from tiffin.gateway.server import serve


async def up(config: Config, console: Console) -> None:
    """Run until SIGINT or SIGTERM."""
    with claim(config.data_directory):
        await _run(config, console)


async def _run(config: Config, console: Console) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = config.server.port or _free_port(config.server.host)
    console.print("starting: PostgreSQL, the schema, the services", highlight=False)
    async with open_platform(config, port) as platform:
        server = await serve(platform.gateway, config.server.host, port)
        with announce(config.data_directory, server.url, platform.postmaster):
            console.print(_welcome(server.url, config, platform.node_count))
            await stop.wait()
            console.print("stopping")
            await server.stop()


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as listening:
        return listening.getsockname()[1]


def _welcome(url: str, config: Config, nodes: int) -> Panel:
    where = f"{nodes} node{'s' if nodes > 1 else ''}, data in {config.data_directory}"
    lines = (
        f"[bold]Tiffin is up[/bold] at {url} ({where})",
        f"try it      {url}/docs",
        "a token     tiffin token operator ops",
        f"metrics     {url}/metrics",
        "stop        Ctrl-C",
    )
    return Panel("\n".join(lines), expand=False)
