"""`tiffin up`: the whole platform in this process."""

import socket

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from tiffin.cli.config import Config
from tiffin.cli.platform import open_platform
from tiffin.cli.running import announce, claim
from tiffin.cli.stopping import stop_event
from tiffin.gateway.server import serve
from tiffin.rpc.garbage import settle


async def up(config: Config, console: Console) -> None:
    """Run until SIGINT or SIGTERM."""
    with claim(config.data_directory):
        await _run(config, console)


async def _run(config: Config, console: Console) -> None:
    stop = stop_event()
    port = config.server.port or free_port(config.server.host)
    console.print("starting: PostgreSQL, the schema, the services", highlight=False)
    async with open_platform(config, port) as platform:
        server = await serve(platform.gateway, config.server.host, port)
        settle()
        with announce(config.data_directory, server.url, platform.postmaster):
            console.print(welcome(server.url, config, platform.node_count))
            await stop.wait()
            console.print("stopping")
            await server.stop()


def free_port(host: str) -> int:
    """Any port that nobody listens at."""
    with socket.create_server((host, 0)) as listening:
        return listening.getsockname()[1]


def welcome(url: str, config: Config, nodes: int) -> Panel:
    """What is said once the platform is up."""
    where = f"{nodes} node{'s' if nodes > 1 else ''}, data in {config.data_directory}"
    lines = (
        f"Tiffin is up at {url} ({where})",
        f"try it      {url}/docs",
        "a token     tiffin token operator ops",
        f"metrics     {url}/metrics",
        "stop        Ctrl-C",
    )
    text = Text("\n".join(lines))
    text.stylize("bold", 0, len("Tiffin is up"))
    return Panel(text, expand=False)
