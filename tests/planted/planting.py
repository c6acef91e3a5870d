"""Plants bugs in a copy of the source tree and runs a test of the ordinary suite against it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tiffin
from planted.bugs import Bug

SOURCE = Path(tiffin.__file__).parent
REPOSITORY = Path(__file__).parents[2]
TIMEOUT_S = 600


@dataclass(frozen=True)
class Ran:
    """What a run of pytest came to."""

    code: int
    failed: bool
    """A test has failed; nothing has merely broken."""
    output: str


def copy_source(directory: Path) -> Path:
    """A copy of the source with what it reads beside it. Returns where its packages are."""
    shutil.copytree(SOURCE, directory / "src" / "tiffin", ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "idl").symlink_to(REPOSITORY / "idl")
    return directory / "src"


def plant(bug: Bug, packages: Path) -> None:
    """Put the bug into a copy. `LookupError` if the code is not as it was when the bug was thought out."""
    for name, old, new in bug.edits:
        file = packages / "tiffin" / name
        text = file.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise LookupError(f"{name} has {text.count(old)} times, not once: {old!r}. Plant the bug anew.")
        file.write_text(text.replace(old, new), encoding="utf-8")


def run(tests: list[str], packages: Path, scratch: Path) -> Ran:
    """These tests against a copy, in a process of its own with a database server of its own."""
    environment = {
        **os.environ, "PYTHONPATH": str(packages), "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    for name in [name for name in environment if name.startswith(("PYTEST_", "COV_"))]:
        del environment[name]
    ended = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-n", "0", "-q", "-x", "--tb=short", "-p", "no:cacheprovider",
            f"--basetemp={scratch / 'pytest'}", *tests,
        ],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    output = ended.stdout + ended.stderr
    return Ran(ended.returncode, bool(re.search(r"\b1 failed\b", output)), output)


def is_caught(bug: Bug, ran: Ran) -> bool:
    """The test has failed, and says what the bug makes it say."""
    words = "\n".join(line for line in ran.output.splitlines() if line.startswith("E  "))
    return ran.failed and re.search(bug.says, words) is not None
