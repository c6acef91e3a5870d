"""Peers in other processes: a client for each service that somebody asks for."""

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config, ConfigError
from tiffin.cli.parts import PARTS, Peers
from tiffin.rpc.client import Client


def contract_of(service: str) -> str:
    """The name of a service's contract in the IDL."""
    return service.capitalize()


def chance() -> float:
    """A number from 0 up to 1."""
    return secrets.randbelow(1 << 30) / (1 << 30)


class RemotePeers(Peers):
    """Each client is made when it is asked for first. `ConfigError` if a service has no address."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.clients: dict[str, Client] = {}

    def __getattr__(self, name: str) -> Any:
        if name not in PARTS:
            raise AttributeError(name)
        addresses = getattr(self._config.services, name).addresses
        if not addresses:
            raise ConfigError(f"[services.{name}] names no addresses, and this process calls it")
        client = Client(contract_of(name), addresses, utc_now, chance)
        self.clients[name] = client
        setattr(self, name, client.service)
        return client.service

    def reached(self) -> Mapping[str, bool]:
        """As `Peers`."""
        return {name: client.is_served for name, client in self.clients.items()}


@asynccontextmanager
async def remote_peers(config: Config) -> AsyncGenerator[RemotePeers]:
    """The peers of one process; in the end their connections are closed."""
    peers = RemotePeers(config)
    async with AsyncExitStack() as stack:
        try:
            yield peers
        finally:
            for client in peers.clients.values():
                stack.push_async_callback(client.close)
