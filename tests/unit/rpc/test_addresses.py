"""Addresses of services."""

import pytest

from tiffin.rpc.addresses import parse_address


@pytest.mark.parametrize(
    ("text", "path", "host", "port"),
    [
        ("orders.internal:7001", None, "orders.internal", 7001),
        ("127.0.0.1:1", None, "127.0.0.1", 1),
        ("[::1]:65535", None, "::1", 65535),
        ("unix:/run/tiffin/orders", "/run/tiffin/orders", "", 0),
    ],
)
def test_an_address_is_a_host_with_a_port_or_a_socket(text: str, path: str | None, host: str, port: int):
    address = parse_address(text)
    assert (address.text, address.path, address.host, address.port) == (text, path, host, port)


@pytest.mark.parametrize(
    "text",
    ["", "orders", "orders:", ":7001", "orders:0", "orders:65536", "orders:x", "orders:-1", "orders:²",
     "::1:7001", "unix:", "http://orders:7001"],
)  # fmt: skip
def test_anything_else_is_none(text: str):
    with pytest.raises(ValueError, match="is no address"):
        parse_address(text)
