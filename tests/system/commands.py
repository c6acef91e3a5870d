"""`tiffin` as somebody types it."""

import os
import subprocess
import sys
from pathlib import Path


def tiffin(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a directory, on a wide terminal, with no other settings than these."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TIFFIN_")}
    return subprocess.run(
        [sys.executable, "-m", "tiffin", *arguments], env={**plain, "COLUMNS": "200", **environment},
        cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
