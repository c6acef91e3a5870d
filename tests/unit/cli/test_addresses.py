"""Where processes are: the configuration's words, and free ports of this machine."""

from pathlib import Path

import pytest

from tiffin.cli.addresses import FIRST_PORT, LAST_PORT, address_of, free_addresses, split_address
from tiffin.cli.config import Config, ConfigError, read_config


def configured(directory: Path, text: str, **environment: str) -> Config:
    file = directory / "tiffin.toml"
    file.write_text(text)
    return read_config(file, environment)


ORDERS = '[services.orders]\naddresses = ["10.0.0.6:7003", "10.0.0.7:7003"]\n'


@pytest.mark.parametrize(
    ("text", "listen", "expected"),
    [
        (ORDERS, None, ("10.0.0.6", 7003)),
        (ORDERS + 'listen = "0.0.0.0:7003"', None, ("0.0.0.0", 7003)),
        (ORDERS + 'listen = "0.0.0.0:7003"', "[::1]:1", ("::1", 1)),
    ],
)
def test_a_process_listens_where_it_is_told_then_where_it_is_configured(
    tmp_path: Path, text: str, listen: str | None, expected: tuple[str, int]
):
    assert address_of(configured(tmp_path, text), "orders", listen) == expected


def test_a_service_that_is_nowhere_is_told_by_its_name(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"services\.users"):
        address_of(configured(tmp_path, ORDERS), "users", None)


def test_lists_come_from_the_environment_too(tmp_path: Path):
    config = configured(tmp_path, ORDERS, TIFFIN_SERVICES_ORDERS_ADDRESSES="a:1  b:2")
    assert config.services.orders.addresses == ["a:1", "b:2"]


@pytest.mark.parametrize("address", ["", "host", "host:", ":1", "host:http", "host:65536"])
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(ConfigError, match="host:port"):
        split_address(address)


@pytest.mark.parametrize("address", ["host", "host:", ":1", "host:http", "::1", "a b:1"])
def test_what_is_no_address_is_refused_in_the_configuration(tmp_path: Path, address: str):
    with pytest.raises(ConfigError, match=r"services\.orders\.addresses"):
        configured(tmp_path, f'[services.orders]\naddresses = ["{address}"]')


def test_free_ports_differ_and_are_none_that_a_client_comes_out_at():
    ports = [split_address(address)[1] for address in free_addresses(map(str, range(20))).values()]
    assert len(set(ports)) == 20
    assert min(ports) > FIRST_PORT
    assert max(ports) <= LAST_PORT


@pytest.mark.parametrize(
    ("host", "url", "expected"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8080"),
        ("0.0.0.0", "", "http://127.0.0.1:8080"),
        ("::", "", "http://[::1]:8080"),
        ("::1", "", "http://[::1]:8080"),
        ("0.0.0.0", "https://api.example", "https://api.example"),
    ],
)
def test_others_reach_the_gateway_at_an_address_that_can_be_reached(
    tmp_path: Path, host: str, url: str, expected: str
):
    config = configured(tmp_path, f'[server]\nhost = "{host}"\nurl = "{url}"')
    assert config.server.own_url == expected
