"""A page of documentation is tried by running what it says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from readme_example import README, shell_example
from tiffin_process import TiffinProcess

needs_curl = pytest.mark.skipif(
    not shutil.which("curl") and not os.environ.get("CI"), reason="the README's walk needs curl"
)


@needs_curl
def test_the_walk_in_the_readme_ends_with_a_completed_order(platform: TiffinProcess) -> None:
    walked = walk(platform, README)
    assert '"code"' not in walked, walked
    assert "completed" in walked.rpartition("Timeline")[2]


@needs_curl
def test_the_walk_of_signing_in_ends_with_a_key(platform: TiffinProcess) -> None:
    me, used, owner, key = walk(platform, README.parent / "docs" / "sign-in.md").splitlines()[-4:]
    assert '"name":"Ana"' in me
    assert '"code":"bad_code"' in used
    assert '"access":"owner"' in owner
    assert '"key":"tk_roma.' in key


def walk(platform: TiffinProcess, page: Path) -> str:
    """What the page's commands print. Fails if one of them does."""
    script = "set -e\n" + shell_example(page).replace("URL=http://127.0.0.1:8080", f"URL={platform.url}")
    walked = subprocess.run(
        ["bash", "-c", script],
        env={
            **platform.environment, "COLUMNS": "110",
            "PATH": f"{Path(sys.executable).parent}:{platform.environment['PATH']}",
        },
        cwd=platform.data_directory, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return walked.stdout
