"""`tiffin up --processes`: every service in a process of its own, under one supervisor.

The supervisor owns the databases: it starts the embedded server, migrates, makes the roles and keeps the
log's days. It serves nothing itself. Its children stop when it stops, in the reverse order of their start,
and also when it is killed.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from rich.console import Console

from tiffin.cli.addresses import free_addresses
from tiffin.cli.child import Child
from tiffin.cli.config import Config
from tiffin.cli.health import ask
from tiffin.cli.keeping import keep_log
from tiffin.cli.nodes import open_nodes
from tiffin.cli.parts import PARTS
from tiffin.cli.parts.part import at_work, watching
from tiffin.cli.roll import Entry, write_roll
from tiffin.cli.running import announce, claim
from tiffin.cli.stopping import stop_event
from tiffin.cli.up import free_port, welcome

START_S = 120.0
LOOK_AGAIN_S = 0.05

_log = structlog.get_logger()


class Supervisor:
    """The children, in the order of their start."""

    def __init__(self, config: Config, file: Path) -> None:
        self._config = config
        host, port = config.server.host, config.server.port or free_port(config.server.host)
        self.addresses = free_addresses(("sandbox", *PARTS))
        environment = _environment(config, self.addresses, port)
        self.addresses["gateway"] = f"{host}:{port}"
        self.children = [
            Child(service, ["--config", str(file)], environment, _hear, self._note)
            for service in self.addresses
        ]

    @property
    def url(self) -> str:
        """Where the platform is."""
        return f"http://{self.addresses['gateway']}"

    async def until_serving(self, stop: asyncio.Event) -> None:
        """Until every child serves, or the supervisor is to stop. `SystemExit` if one does not come up."""
        try:
            async with asyncio.timeout(START_S):
                for child in self.children:
                    while not stop.is_set() and not await self._serves(child):
                        if child.restarts:
                            raise SystemExit(f"tiffin: {child.service} does not start: its log says why")
                        await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            raise SystemExit(f"tiffin: not all processes serve after {START_S:.0f} s") from None

    async def _serves(self, child: Child) -> bool:
        return (await ask(child.service, self.addresses[child.service])).state == "serving"

    def _note(self) -> None:
        write_roll(
            self._config.data_directory,
            [
                Entry(child.service, self.addresses[child.service], child.pid, child.started, child.restarts)
                for child in self.children
            ],
        )


@asynccontextmanager
async def supervised(supervisor: Supervisor) -> AsyncGenerator[None]:
    """The children run while this is entered."""
    running = [asyncio.create_task(child.run(), name=child.service) for child in supervisor.children]
    try:
        yield
    finally:
        for child in reversed(supervisor.children):
            await child.stop()
        await asyncio.gather(*running)


async def up_processes(config: Config, file: Path, console: Console) -> None:
    """Run until SIGINT or SIGTERM."""
    stop = stop_event()
    with claim(config.data_directory):
        console.print("starting: PostgreSQL, the schema, a process for every service", highlight=False)
        async with (
            open_nodes(config) as nodes,
            at_work([keep_log(nodes.router, config), watching(nodes.router)]),
        ):
            supervisor = Supervisor(config, file)
            async with supervised(supervisor):
                await supervisor.until_serving(stop)
                with announce(config.data_directory, supervisor.url, nodes.postmaster, supervises=True):
                    console.print(welcome(supervisor.url, config, len(nodes.all)))
                    await stop.wait()
                    console.print("stopping")


def _environment(config: Config, addresses: Mapping[str, str], port: int) -> dict[str, str]:
    """What the children are told beyond the configuration: where they are."""
    told = {f"TIFFIN_SERVICES_{name.upper()}_ADDRESSES": address for name, address in addresses.items()}
    told |= {f"TIFFIN_SERVICES_{name.upper()}_LISTEN": address for name, address in addresses.items()}
    told |= {"TIFFIN_SERVER_HOST": config.server.host, "TIFFIN_SERVER_PORT": str(port)}
    return told


def _hear(service: str, line: str) -> None:
    """A child's line, in ours: with its name before it on a terminal, else as JSON that names it."""
    if sys.stderr.isatty():
        line = f"{service:<13}| {line}"
    elif not line.startswith("{"):
        line = json.dumps({"process": service, "event": line})
    print(line, file=sys.stderr, flush=True)
