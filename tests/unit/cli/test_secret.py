"""The platform's secret: the same for everybody who asks, and never a broken one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tiffin.cli.config import ConfigError
from tiffin.cli.secret import SECRET_BYTES, read_secret


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    secret = read_secret(tmp_path / "data")
    assert len(secret) == SECRET_BYTES
    assert read_secret(tmp_path / "data") == secret
    (file,) = (tmp_path / "data").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


BROKEN = {
    "empty": b"", "cut off": b"ab" * (SECRET_BYTES - 1), "half a byte": b"a" * (2 * SECRET_BYTES - 1),
    "no digits": b"x" * 64, "no text": b"\xff\xfe" * 40,
}  # fmt: skip


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_secret_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=str(file)):
        read_secret(tmp_path)
    assert file.read_bytes() == content


def test_a_command_that_finds_a_broken_secret_says_so_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("gone")
    (tmp_path / "tiffin.toml").write_text('data_directory = "."')
    told = subprocess.run(
        [sys.executable, "-m", "tiffin", "token", "operator", "ops"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 1
    assert told.stderr.startswith("tiffin: ") and "secret" in told.stderr and "Traceback" not in told.stderr
