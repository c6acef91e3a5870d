"""Who calls: by access token, by API key, or a visitor, of whom only the address is known."""

from ipaddress import IPv6Address, ip_address

from tiffin.gateway.api_keys import PREFIX, ApiKeys
from tiffin.gateway.exchange import Exchange
from tiffin.gateway.tokens import Tokens
from tiffin.gateway.visitors import Visitors
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c


class Callers:
    """Finds the caller of a request, or refuses."""

    def __init__(self, users: c.Users, clock: Clock, visits_per_minute: int) -> None:
        self.tokens = Tokens(users, clock)
        self._api_keys = ApiKeys(users, clock)
        self._visitors = Visitors(visits_per_minute)

    async def of(self, exchange: Exchange) -> c.Caller:
        """By the `Authorization` header."""
        header = exchange.headers.get(b"authorization")
        if header is None:
            raise Refusal("bad_token", "the header Authorization is missing")
        if header[:7] != b"Bearer " and header[:7].lower() != b"bearer ":
            raise Refusal("bad_token", "the header Authorization must be: Bearer <token>")
        return await self.by(header[7:].decode("latin-1"), exchange.started_s)

    async def by(self, credential: str, now_s: float) -> c.Caller:
        """By an access token or an API key."""
        if credential.startswith(PREFIX):
            return await self._api_keys.verify(credential, now_s)
        return await self.tokens.verify(credential, now_s)

    def visitor(self, exchange: Exchange) -> c.Caller:
        """Somebody who has not signed in. `Refusal("too_many_requests")` if they come too often."""
        address = client_address(exchange)
        self._visitors.enter(address, exchange.started_s)
        return c.Caller(role="visitor", id=address)


def client_address(exchange: Exchange) -> str:
    """Where a request comes from: an IPv4 address, or the /64 of an IPv6 one, which is one subscriber's."""
    client = exchange.scope.get("client")
    try:
        address = ip_address(client[0]) if client else None
    except ValueError:
        address = None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address) if address else "unknown"
