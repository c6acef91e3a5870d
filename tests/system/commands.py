"""`tiffin` as somebody types it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ORDERS = 150


def tiffin(directory: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command in a directory, on a wide terminal, with no other settings than these."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TIFFIN_")}
    return subprocess.run(
        [sys.executable, "-m", "tiffin", *arguments], env={**plain, "COLUMNS": "200", **environment},
        cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Demo:
    """A directory, empty before, in which `tiffin demo` was run, and what it printed."""

    directory: Path
    environment: dict[str, str]
    exit_code: int
    printed: str

    def tiffin(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another command in the same directory."""
        return tiffin(self.directory, *arguments, **self.environment)


def run_demo(directory: Path, nodes: int) -> Demo:
    """A small day on so many embedded nodes; one needs no setting."""
    environment = {"TIFFIN_EMBEDDED_NODES": str(nodes)} if nodes > 1 else {}
    done = tiffin(directory, "demo", "--orders", str(ORDERS), **environment)
    return Demo(directory, environment, done.returncode, done.stdout + done.stderr)
