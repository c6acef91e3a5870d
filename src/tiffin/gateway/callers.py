"""Who calls: by access token, by API key, or a visitor, of whom only the address is known."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tiffin.gateway.api_keys import PREFIX, ApiKeys
from tiffin.gateway.exchange import Exchange
from tiffin.gateway.tokens import Tokens
from tiffin.gateway.visitors import Visitors
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c


class Callers:
    """Finds the caller of a request, or refuses."""

    def __init__(
        self, users: c.Users, clock: Clock, visits_per_minute: int, trusted_proxies: Sequence[str]
    ) -> None:
        self.tokens = Tokens(users, clock)
        self._visitors = Visitors(visits_per_minute)
        self._api_keys = ApiKeys(users, clock, self._visitors)
        self._trusted = [ip_network(network) for network in trusted_proxies]

    async def of(self, exchange: Exchange) -> c.Caller:
        """By the `Authorization` header."""
        header = exchange.headers.get(b"authorization")
        if header is None:
            raise Refusal("bad_token", "the header Authorization is missing")
        if header[:7] != b"Bearer " and header[:7].lower() != b"bearer ":
            raise Refusal("bad_token", "the header Authorization must be: Bearer <token>")
        return await self.by(header[7:].decode("latin-1"), exchange)

    async def by(self, credential: str, exchange: Exchange) -> c.Caller:
        """By an access token or an API key, of which an address may not come with too many bad ones."""
        if credential.startswith(PREFIX):
            return await self._api_keys.verify(
                credential, exchange.started_s, lambda: client_address(exchange, self._trusted)
            )
        return await self.tokens.verify(credential, exchange.started_s)

    def visitor(self, exchange: Exchange) -> c.Caller:
        """Somebody who has not signed in. `Refusal("too_many_requests")` if they come too often."""
        address = client_address(exchange, self._trusted)
        self._visitors.enter(address, exchange.started_s)
        return c.Caller(role="visitor", id=address)


def client_address(exchange: Exchange, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """Where a request comes from: an IPv4 address, or the /64 of an IPv6 one, which is one subscriber's.

    A trusted proxy is asked where it has the request from; anybody else may write there what they like.
    """
    found = None
    for found in _hops(exchange):
        if not any(found in network for network in trusted):
            break
    if isinstance(found, IPv6Address):
        return str(IPv6Address(int(found) >> 64 << 64))
    return str(found) if found else "unknown"


def _hops(exchange: Exchange) -> Iterator[IPv4Address | IPv6Address]:
    """The addresses a request came by, the nearest first, as far as they can be read."""
    client = exchange.scope.get("client")
    forwarded = exchange.headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    for text in [client[0] if client else "", *reversed(forwarded)]:
        try:
            address = ip_address(text.strip())
        except ValueError:
            return
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        yield mapped or address
