"""Addresses by which somebody might try to reach what is not theirs."""

from collections.abc import Iterator

V4 = (
    "127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "10.0.0.1", "10.20.30.40", "10.255.255.255",
    "172.16.0.1", "172.20.10.5", "172.31.255.255", "192.168.0.1", "192.168.178.1", "169.254.169.254",
    "169.254.0.1", "100.64.0.1", "100.127.255.255", "0.0.0.0", "0.0.0.1", "192.0.0.8", "192.0.2.7",
    "198.18.0.1",
    "198.51.100.9", "203.0.113.5", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
)  # fmt: skip
V6 = (
    "::", "::1", "::2", "fe80::1", "fe80::a9fe:a9fe", "fc00::1", "fd00::1", "fd00:ec2::254", "fec0::1",
    "ff02::1",
    "ff05::2", "100::1", "2001::1", "2001:db8::1", "2001:10::1", "2002:7f00:1::", "2002:a9fe:a9fe::",
    "3fff::1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "::7f00:1", "::a9fe:a9fe", "5f00::1",
)  # fmt: skip
SPELLINGS = (
    "2130706433", "0x7f000001", "0x7F.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
    "0x7f.1", "0",
    "1", "3232235521", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "127.0.0.1.", "00000177.1",
    "１２７.０.０.１", "127。0。0。1", "①②⑦.⓪.⓪.①", "127.0.0.01", "127.00.0.1",
)  # fmt: skip
NAMES = (
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "ip6-localhost",
    "db.internal",
    "printer.local",
)
SHAPES = (
    "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_", "dict://127.0.0.1:11211/",
    "//127.0.0.1/", "127.0.0.1", "https:///hook", "https://", "", "https:127.0.0.1",
    "data:text/plain,hello",
    "https://example.com@127.0.0.1/", "https://user:pass@10.0.0.1/", "https://127.0.0.1#@example.com/",
    "https://127.0.0.1%2f.example.com/", "https://127.0.0.1\t.example.com/",
    "https://example.com\r\nHost: a/",
    "https://[::1/", "https://127.0.0.1:99999/", "https://127.0.0.1:0/", "unix:///var/run/docker.sock",
    "https://[fe80::1%25lo]/", "https://[::ffff:127.0.0.1%251]/", "https://[v1.fe80::a]/",
    "http+unix://%2Fvar/",
)  # fmt: skip
RESOLVED = "resolves-to"
"""A name that stands for what comes after it: `resolves-to-127-0-0-1.example`."""


def private_urls() -> Iterator[str]:
    """Two hundred of them and some more."""
    for host in (*V4, *SPELLINGS, *NAMES):
        yield f"https://{host}/hook"
    for host in V4:
        yield f"http://{host}:8080/latest/meta-data/"
        yield f"https://[::ffff:{host}]/hook"
    for host in V6:
        yield f"https://[{host}]/hook"
    for host in (*V4, *V6):
        yield f"https://{named(host)}/hook"
    yield from SHAPES


def named(address: str) -> str:
    """A name that stands for this address."""
    return f"{RESOLVED}-{address.replace('.', '-').replace(':', 'x')}.example"


def addresses_of(name: str) -> list[str]:
    """What a look-up of such a name says; others are known to nobody."""
    if not name.startswith(RESOLVED):
        raise OSError(f"{name} is not known")
    spelled = name.removeprefix(f"{RESOLVED}-").removesuffix(".example")
    return [spelled.replace("x", ":") if "x" in spelled else spelled.replace("-", ".")]
