"""A page of documentation is tried by running what it says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from readme_example import shell_example
from tiffin_process import TiffinProcess


@pytest.mark.skipif(
    not shutil.which("curl") and not os.environ.get("CI"), reason="the README's walk needs curl"
)
def test_the_walk_in_the_readme_ends_with_a_completed_order(platform: TiffinProcess) -> None:
    script = "set -e\n" + shell_example().replace("URL=http://127.0.0.1:8080", f"URL={platform.url}")
    walked = subprocess.run(
        ["bash", "-c", script],
        env={
            **platform.environment, "COLUMNS": "110",
            "PATH": f"{Path(sys.executable).parent}:{platform.environment['PATH']}",
        },
        cwd=platform.data_directory, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert '"code"' not in walked.stdout, walked.stdout
    assert "completed" in walked.stdout.rpartition("Timeline")[2]
