"""Where the processes of a platform are, by its configuration."""

import secrets
import socket
from collections.abc import Iterable

from tiffin.cli.config import Config, ConfigError

FIRST_PORT, LAST_PORT = 15_000, 32_000
"""Below the ports that outgoing connections get: a client that asks for a process which is being started
again must not come out at the very port it is asking for."""


def provider_url(config: Config) -> str:
    """The payment provider. `ConfigError` if it is nowhere."""
    if not config.services.sandbox.addresses:
        raise ConfigError("[services.sandbox] names no addresses, and payments calls it")
    return f"http://{config.services.sandbox.addresses[0]}"


def address_of(config: Config, service: str, listen: str | None) -> tuple[str, int]:
    """Where a service listens here, as told or configured. `ConfigError` if neither says."""
    configured = getattr(config.services, service)
    text = listen or configured.listen or next(iter(configured.addresses), None)
    if text is None:
        raise ConfigError(f"[services.{service}] says neither `listen` nor `addresses`")
    return split_address(text)


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `host:port`. `ConfigError` if it is not that."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"{text!r} is no address: host:port")
    return host.strip("[]"), int(port)


def free_addresses(services: Iterable[str]) -> dict[str, str]:
    """For each service a port of this machine at which nobody listens. `OSError` if there are not enough."""
    addresses: dict[str, str] = {}
    port = FIRST_PORT + secrets.randbelow((LAST_PORT - FIRST_PORT) // 2)
    for service in services:
        while not _is_free(port := port + 1):
            if port > LAST_PORT:
                raise OSError(f"no free port from {FIRST_PORT} to {LAST_PORT}")
        addresses[service] = f"127.0.0.1:{port}"
    return addresses


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
