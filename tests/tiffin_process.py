"""`tiffin up` as a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tiffin.cli.running import Running, find
from tiffin.cli.secret import read_secret
from tiffin.services.users.signing import PlatformTokens

START_TIMEOUT_S = 180


class TiffinProcess:
    """A server on a port of its own. After `kill` and `start` it is at the same address."""

    command: Sequence[str] = ("up",)

    def __init__(self, data_directory: Path, *, nodes: str = "", **policy: float) -> None:
        """`nodes` as in TIFFIN_NODES; none: the embedded server's database."""
        self.data_directory = data_directory
        self.environment = {
            **os.environ,
            "TIFFIN_DATA_DIRECTORY": str(data_directory),
            "TIFFIN_NODES": nodes,
            **{f"TIFFIN_POLICY_{name.upper()}": str(value) for name, value in policy.items()},
        }
        self._tokens = PlatformTokens(read_secret(data_directory), lambda: datetime.now(UTC))
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self) -> Running:
        """Start it and wait until it serves."""
        with (self.data_directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tiffin", *self.command, "--port", str(self._port)],
                env=self.environment, cwd=self.data_directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until and self._process.poll() is None:
            running = find(self.data_directory)
            if running is not None and running.pid == self._process.pid:
                self._port = int(running.url.rpartition(":")[2])
                return running
            time.sleep(0.02)
        self.kill()
        raise AssertionError((self.data_directory / "server.log").read_text()[-4000:])

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def mint(self, role: str, subject: str) -> str:
        """A bearer token."""
        return self._tokens.mint(role, subject, 3600)

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A `tiffin` command on the same data directory."""
        return subprocess.run(
            [sys.executable, "-m", "tiffin", *arguments], env={**self.environment, "COLUMNS": "200"},
            cwd=self.data_directory, capture_output=True, text=True, timeout=300, check=False, **options,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
