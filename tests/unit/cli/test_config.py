"""The configuration: a file, the environment over it, and clear words for what makes no sense."""

from pathlib import Path

import pytest

from tiffin.cli.config import ConfigError, read_config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tiffin.toml"


def test_no_file_and_no_variable_is_a_laptop(file: Path):
    config = read_config(file, {})
    assert config.nodes == {}
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8080)
    assert config.data_directory == file.parent / ".tiffin"
    assert config.policy.payment_s == 900


def test_nodes_keep_the_order_of_the_file_because_the_first_is_the_directory(file: Path):
    file.write_text(
        '[nodes]\nsouth = "postgresql://a/s"\neast = "postgresql://a/e"\nnorth = "postgres://a/n"\n'
    )
    assert list(read_config(file, {}).nodes) == ["south", "east", "north"]


def test_the_environment_wins_over_the_file(file: Path):
    file.write_text("embedded_nodes = 2\n[server]\nport = 1\nhost = '::1'\n[policy]\npayment_s = 5\n")
    environment = {
        "TIFFIN_SERVER_PORT": "9000",
        "TIFFIN_POLICY_ACCEPTANCE_S": "7",
        "TIFFIN_DATA_DIRECTORY": "/srv/tiffin",
        "TIFFIN_NODES": "b=postgresql://h/b?a=1  a=postgresql://h/a",
        "TIFFIN_SOMETHING_OF_A_CLUSTER": "tcp://10.0.0.1:80",
    }
    config = read_config(file, environment)
    assert (config.server.port, config.server.host) == (9000, "::1")
    assert (config.policy.payment_s, config.policy.acceptance_s) == (5, 7)
    assert config.data_directory == Path("/srv/tiffin")
    assert list(config.nodes.items()) == [("b", "postgresql://h/b?a=1"), ("a", "postgresql://h/a")]
    assert config.embedded_nodes == 2


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("[server]\nprot = 1", {}, "prot"),
        ("colour = 1", {}, "colour"),
        ("[policy]\npayment = 1", {}, "payment"),
        ("[server]\nport = 'a'", {}, "server.port"),
        ("[server]\nport = 65536", {}, "server.port"),
        ("server = 1", {"TIFFIN_SERVER_PORT": "1"}, "server"),
        ("embedded_nodes = 0", {}, "embedded_nodes"),
        ("data_directory = 3", {}, "data_directory"),
        ("[nodes]\na = 'mysql://h/a'", {}, "nodes"),
        ("[nodes]\n'a b' = 'postgresql://h/a'", {}, "nodes"),
        ("[nodes", {}, "tiffin.toml"),
        ("", {"TIFFIN_SERVER_PORT": "http"}, "TIFFIN_SERVER_PORT"),
        ("", {"TIFFIN_SERVER_PORT": "99999"}, "TIFFIN_SERVER_PORT"),
        ("", {"TIFFIN_NODES": "postgresql://h/a"}, "TIFFIN_NODES"),
        ("", {"TIFFIN_NODES": "a"}, "TIFFIN_NODES: expected name=url"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(
    file: Path, text: str, environment: dict[str, str], words: str
):
    file.write_text(text)
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        read_config(file, environment)
