"""Which addresses may be called: public ones, and those the configuration allows. Pure."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from yarl import URL

from tiffin.primitives.errors import Refusal

Network = IPv4Network | IPv6Network

URL_MAX = 1000
REFUSAL_MAX = 200
_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")

_NOT_PUBLIC = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
            "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
            "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
"""IANA's special-purpose registry, multicast and what is reserved."""
_PUBLIC_V6 = IPv6Network("2000::/3")
"""All that has been given out."""
_NOT_PUBLIC_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""An IPv4 address as a network without IPv4 sees it (RFC 6052): as public as that is."""


class Allowed:
    """Public addresses, and the networks that the platform's owner has named."""

    def __init__(self, networks: Sequence[str]) -> None:
        """`ValueError` if one is no network."""
        self._networks: list[Network] = [ip_network(network) for network in networks]

    @property
    def is_empty(self) -> bool:
        """Whether only public addresses may be called."""
        return not self._networks

    def has(self, text: str) -> bool:
        """Whether this address may be called. What is no address may not."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address):
            if address.scope_id is not None:
                return False
            address = address.ipv4_mapped or address
        return any(address in network for network in self._networks) or is_public(address)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it belongs to somebody on the internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC)
    if address in _TRANSLATED:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def check_url(text: str, allowed: Allowed) -> str:
    """The address as it will be called. `Refusal` for one that never may be.

    A name is looked up when it is called, and what it stands for is checked then.
    """
    try:
        url = URL(text)
        host, port = url.host, url.port
    except (ValueError, LookupError) as error:  # yarl stumbles over https://[]@
        raise _refused(f"not an address: {error}"[:REFUSAL_MAX]) from None
    if url.scheme not in ("https", "http") or not host or not port:
        raise _refused("an address begins with https:// and has a host")
    if url.scheme == "http" and allowed.is_empty:
        raise _refused("only https is called")
    if url.user is not None or url.password is not None or url.fragment:
        raise _refused("no user, password or fragment")
    if not text.isprintable() or " " in text or not (_is_address(host) or _NAME.match(url.raw_host or "")):
        raise _refused("a character that cannot be in an address")
    if (_is_address(host) and not allowed.has(host)) or (_is_local(host) and allowed.is_empty):
        raise _refused("this address is not public")
    if _is_number(host) and not _is_address(host):
        raise _refused("a number is no host: write it as 192.0.2.1")
    if len(str(url)) > URL_MAX:
        raise _refused(f"longer than {URL_MAX} characters, as it is sent")
    return str(url)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))


def _is_number(host: str) -> bool:
    """Spellings of IPv4 addresses that only some libraries take for one: 2130706433, 0x7f.1, 017700000001."""
    last = host.rstrip(".").rpartition(".")[2].lower()
    return last.isdecimal() or (
        last.startswith("0x") and all(each in "0123456789abcdef" for each in last[2:])
    )


def _refused(why: str) -> Refusal:
    return Refusal("invalid_webhook_url", why)
