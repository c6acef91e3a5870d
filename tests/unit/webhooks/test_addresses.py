"""Which addresses may be called."""

from ipaddress import ip_address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tiffin.primitives.errors import Refusal
from tiffin.services.webhooks.addresses import Allowed, check_url, is_public

NOBODY, OFFICE = Allowed([]), Allowed(["10.1.0.0/16", "fd00:1::/32"])

PUBLIC = (
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1",
    "192.167.255.255", "11.0.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1",
    "64:ff9b::808:808",
)  # fmt: skip
PRIVATE = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1", "2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1",
    "5f00::1",
    "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "4000::1",
)  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_what_belongs_to_somebody_on_the_internet_may_be_called(text: str) -> None:
    assert is_public(ip_address(text))
    assert NOBODY.has(text)


@pytest.mark.parametrize("text", PRIVATE)
def test_nothing_else_may(text: str) -> None:
    assert not NOBODY.has(text)
    if ":" not in text:
        assert not NOBODY.has(f"::ffff:{text}"), "an IPv4 address is as public as it is in IPv6"


def test_what_the_owner_of_the_platform_allows_may_be_called_and_nothing_beside_it() -> None:
    assert OFFICE.has("10.1.2.3")
    assert OFFICE.has("::ffff:10.1.2.3")
    assert OFFICE.has("fd00:1::5")
    assert OFFICE.has("8.8.8.8")
    assert not OFFICE.has("10.2.0.1")
    assert not OFFICE.has("127.0.0.1")


@pytest.mark.parametrize("text", ["", "localhost", "fe80::1%eth0", "127.1", "8.8.8.8 ", "0x08080808"])
def test_what_is_no_address_may_not(text: str) -> None:
    assert not NOBODY.has(text)


@pytest.mark.parametrize(
    "url",
    ["https://till.example.com/hook?key=1", "https://93.184.216.34:8443/", "https://[2606:4700::1111]/a"],
)
def test_a_good_url_is_taken_as_it_is(url: str) -> None:
    assert check_url(url, NOBODY) == url


def test_http_is_only_for_platforms_that_allow_networks_of_their_own() -> None:
    assert check_url("http://10.1.2.3:8080/hook", OFFICE) == "http://10.1.2.3:8080/hook"
    with pytest.raises(Refusal, match="only https"):
        check_url("http://till.example.com/hook", NOBODY)
    with pytest.raises(Refusal, match="not public"):
        check_url("http://10.2.0.1/hook", OFFICE)


@settings(max_examples=500, deadline=None)
@example("0://[]@")
@given(st.text(max_size=60) | st.text("htps:/@[]%#?.0123456789abcx\\ ", max_size=40).map("https://".__add__))
def test_whatever_somebody_writes_is_taken_or_refused(text: str) -> None:
    try:
        url = check_url(text, NOBODY)
    except Refusal as refusal:
        assert refusal.code == "invalid_webhook_url"
    else:
        assert url.startswith("https://")
        assert check_url(url, NOBODY) == url
