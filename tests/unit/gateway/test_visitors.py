from ipaddress import ip_network

import pytest

from tiffin.gateway import visitors
from tiffin.gateway.callers import client_address
from tiffin.gateway.exchange import Exchange
from tiffin.gateway.visitors import Visitors
from tiffin.primitives.errors import Refusal


def enters(door: Visitors, address: str, now_s: float) -> bool:
    try:
        door.enter(address, now_s)
    except Refusal as refusal:
        assert refusal.code == "too_many_requests"
        return False
    return True


def test_an_address_may_come_so_often_at_once_and_then_at_that_pace() -> None:
    door = Visitors(10)
    assert [enters(door, "a", 0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert [enters(door, "a", 6.0) for _ in range(2)] == [True, False]
    assert sum(enters(door, "a", 6 + second / 10) for second in range(600)) == 9
    assert [enters(door, "a", 1000) for _ in range(11)] == [True] * 10 + [False]


def test_whoever_is_sent_away_is_told_when_to_come_and_is_let_in_then() -> None:
    door = Visitors(10)
    for _ in range(10):
        door.enter("a", 0.5)
    with pytest.raises(Refusal) as refused:
        door.enter("a", 1.2)
    wait_s = refused.value.details["retry_after_s"]
    assert isinstance(wait_s, int)
    assert not enters(door, "a", 1.2 + wait_s - 1)
    assert enters(door, "a", 1.2 + wait_s)


def test_addresses_do_not_get_in_one_anothers_way() -> None:
    door = Visitors(1)
    assert all(enters(door, f"10.0.0.{number}", 0) for number in range(200))


def test_no_more_addresses_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "ADDRESSES_MAX", 100)
    door = Visitors(1)
    for number in range(1000):
        door.enter(str(number), 0)
    assert len(door._full_at_s) == 100
    assert not enters(door, "999", 0)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"), ("somewhere", "unknown"),
    ],
)  # fmt: skip
def test_a_subscriber_is_one_address_however_many_they_have(host: str, address: str) -> None:
    async def nothing(*_: object) -> None: ...

    exchange = Exchange({"headers": [], "client": (host, 1)}, nothing, nothing, 0.0)  # type: ignore[arg-type]
    assert client_address(exchange, []) == address
    exchange.scope["client"] = None
    assert client_address(exchange, []) == "unknown"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (b"198.51.100.9", "198.51.100.9"), (b"203.0.113.1, 198.51.100.9", "198.51.100.9"),
        (b"203.0.113.1, 198.51.100.9, 10.1.2.3", "198.51.100.9"), (b"10.9.9.9", "10.9.9.9"),
        (b"", "10.0.0.1"), (b"nonsense", "10.0.0.1"), (b"198.51.100.9, nonsense", "10.0.0.1"),
        (b"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
    ],
)  # fmt: skip
def test_a_trusted_proxy_says_where_a_request_comes_from_and_nobody_else(
    forwarded: bytes, address: str
) -> None:
    async def nothing(*_: object) -> None: ...

    headers = [(b"x-forwarded-for", forwarded)]
    scope = {"headers": headers, "client": ("10.0.0.1", 1)}
    exchange = Exchange(scope, nothing, nothing, 0.0)  # type: ignore[arg-type]
    assert client_address(exchange, [ip_network("10.0.0.0/8")]) == address
    assert client_address(exchange, []) == "10.0.0.1"
