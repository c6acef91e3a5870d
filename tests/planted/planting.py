"""Plants bugs in a copy of the source tree and runs a test of the ordinary suite against it."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg

import tiffin
from planted.bugs import Bug
from tiffin.storage.embedded import EmbeddedServer

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


def run(tests: list[str], packages: Path, scratch: Path, server: EmbeddedServer | None = None) -> Ran:
    """These tests against a copy, in a process of its own: on databases of its own of a running server, or,
    where the copy has other tables, with a server of its own."""
    scratch.mkdir(exist_ok=True)
    paths = os.pathsep.join((str(packages), str(REPOSITORY / "tests")))
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")},
        "PYTHONPATH": paths, "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    shared: list[str] = []
    worker = f"planted{uuid4().hex[:8]}"
    if server is not None:
        environment["PYTEST_XDIST_WORKER"] = worker
        shared = ["-p", "planted.as_worker"]
    ended = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-n", "0", "-q", "-x", "--tb=short", "-p", "no:cacheprovider",
            f"--basetemp={scratch / 'pytest'}", *shared, *tests,
        ],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    if server is not None:
        asyncio.run(_drop_databases(server, worker))
    output = ended.stdout + ended.stderr
    return Ran(ended.returncode, bool(re.search(r"\b1 failed\b", output)), output)


def changes_tables(bug: Bug) -> bool:
    """Whether its databases are others than those of everybody."""
    return any("migrations/" in name for name, _, _ in bug.edits)


async def _drop_databases(server: EmbeddedServer, worker: str) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    for row in await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE '%' || $1", worker):
        await connection.execute(f'DROP DATABASE "{row["datname"]}" WITH (FORCE)')
    await connection.close()


def is_caught(bug: Bug, ran: Ran) -> bool:
    """The test has failed, and says what the bug makes it say."""
    words = "\n".join(line for line in ran.output.splitlines() if line.startswith("E  "))
    return ran.failed and re.search(bug.says, words) is not None
