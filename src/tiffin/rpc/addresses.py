"""Where a service listens: `host:port`, `[v6 address]:port` or `unix:/path/of/socket`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """`text` as it was configured names it in logs and metrics. A path, or a host with a port."""

    text: str
    path: str | None
    host: str
    port: int

    async def connect(
        self, loop: asyncio.AbstractEventLoop, protocol: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        """Open a connection. `OSError` if there is none to be had."""
        if self.path is not None:
            await loop.create_unix_connection(protocol, self.path)
        else:
            await loop.create_connection(protocol, self.host, self.port)


def parse_address(text: str) -> Address:
    """`ValueError` if it is neither of the three."""
    kind, _, path = text.partition(":")
    if kind == "unix" and path:
        return Address(text, path, "", 0)
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise ValueError(f"{text!r} is no address: host:port or unix:/path")
    return Address(text, None, host, int(port))
