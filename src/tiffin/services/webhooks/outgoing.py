"""Calling a foreign address, and no other: what is connected to is what has been checked.

A name is looked up once, all its addresses are checked, and the connection goes to one of those: there is no
second one that could answer something else. Redirects are not followed, proxies not asked, cookies not kept.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from tiffin.primitives.errors import Refusal
from tiffin.services.webhooks.addresses import Allowed, check_url
from tiffin.services.webhooks.delivery import ANSWER_MAX

TIMEOUT_S = 15.0
"""For looking up, connecting, sending and the answer together."""
CONNECT_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 256
HEADER_LINE_MAX = 8190
LOOK_UPS_MAX = 16
"""Names at once, in threads of their own: a name server that is slow on purpose holds back nobody else."""
ERROR_MAX = 200

_log = structlog.get_logger()

LookUp = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a name. `OSError` if there are none."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The receiver said something."""

    status: int
    text: str
    """Its first kilobyte."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """It did not, or was not asked."""

    error: str


class ForbiddenAddressError(OSError):
    """This address is not called."""


class Outgoing:
    """Posts to foreign systems."""

    def __init__(self, session: aiohttp.ClientSession, allowed: Allowed) -> None:
        self._session = session
        self._allowed = allowed

    async def post(self, url: str, headers: dict[str, str], body: str) -> Answered | Unanswered:
        """One attempt. Never raises for what happens on the way."""
        try:
            check_url(url, self._allowed)  # less may be allowed than when it was registered
        except Refusal as refusal:
            return Unanswered(f"not called: {refusal.message}"[:ERROR_MAX])
        try:
            async with self._session.post(
                url, data=body.encode(), headers=headers, allow_redirects=False
            ) as response:
                return Answered(response.status, await _beginning(response))
        except TimeoutError:
            return Unanswered(f"no answer within {TIMEOUT_S:g} s")
        except Exception as error:
            if not isinstance(error, aiohttp.ClientError | OSError):
                _log.exception("webhook_call_failed")
            return Unanswered(_why(error))


@asynccontextmanager
async def open_outgoing(
    allowed: Allowed, look_up: LookUp | None = None, timeout_s: float = TIMEOUT_S
) -> AsyncGenerator[Outgoing]:
    """A client of foreign systems; in the end its connections are closed."""
    threads = ThreadPoolExecutor(LOOK_UPS_MAX, thread_name_prefix="webhooks-names")
    connector = aiohttp.TCPConnector(
        limit=CONNECTIONS_MAX, use_dns_cache=False, socket_factory=_guarded(allowed),
        resolver=_Checked(look_up or partial(_look_up, threads), allowed),
    )  # fmt: skip
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
        headers={"user-agent": "Tiffin-Webhooks", "accept-encoding": "identity"},
        max_line_size=HEADER_LINE_MAX, max_field_size=HEADER_LINE_MAX,
    ) as session:  # fmt: skip
        try:
            yield Outgoing(session, allowed)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


class _Checked(AbstractResolver):
    """Gives the addresses of a name if every one of them may be called: one that may not is a trick."""

    def __init__(self, look_up: LookUp, allowed: Allowed) -> None:
        self._look_up = look_up
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await self._look_up(host, port)
        if not addresses or not all(map(self._allowed.has, addresses)):
            raise ForbiddenAddressError("the name stands for an address that is not public")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=int(socket.AI_NUMERICHOST),
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in addresses
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is held."""


def _guarded(allowed: Allowed) -> Callable[[Any], socket.socket]:
    """Makes the sockets: none for an address that may not be called, however it was come by."""

    def make(address_info: Any) -> socket.socket:
        family, kind, proto, _, address = address_info
        if not allowed.has(address[0]):
            raise ForbiddenAddressError("this address is not public")
        return socket.socket(family, kind, proto)

    return make


async def _look_up(threads: ThreadPoolExecutor, host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().run_in_executor(
        threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first bytes as text; if there are more, the connection is cut."""
    read = b""
    while len(read) < ANSWER_MAX and (chunk := await response.content.read(ANSWER_MAX - len(read))):
        read += chunk
    if not response.content.at_eof():
        response.close()
    return read.decode("utf-8", "replace")[:ANSWER_MAX]


def _why(error: Exception) -> str:
    """For the delivery log; tells nothing of addresses that its reader has not given."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "its certificate does not hold, or TLS failed"
        case aiohttp.ClientConnectorDNSError() if not isinstance(cause, ForbiddenAddressError):
            return "its name is not known"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed without an answer"
        case aiohttp.ClientConnectorError():
            return str(cause) if isinstance(cause, ForbiddenAddressError) else "no connection"
        case _:
            return f"the call failed: {type(error).__name__}"
