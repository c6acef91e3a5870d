"""The tests' PostgreSQL: one server for all processes of a run, databases copied from a template made once."""

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import psutil

from tiffin.cli.schemas import SCHEMAS
from tiffin.events.retention import keep_days
from tiffin.sharding.topology import lay_out
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.migrations import migrate
from tiffin.storage.node import Node

DIRECTORY = "TIFFIN_TEST_DIRECTORY"
"""Set by the process that runs the tests, inherited by its workers."""

FAST_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "autovacuum_naptime": "10s",
}
"""Nothing of a test run outlives it. Where durability itself is tested a server of its own is started."""

MIGRATED = "migrated"
"""Template with every schema and the log's days, without shards."""

LAID_OUT = "laid_out"
"""Template with all shards besides, for a platform of one node."""


def make_directory() -> Path:
    """A temporary directory that the server's user can enter."""
    directory = Path(tempfile.mkdtemp(prefix="tiffin-test-"))
    directory.chmod(0o755)
    return directory


def remove_directory(directory: Path) -> None:
    """Stop what still runs there, whoever started it, and take everything away."""
    for pid_file in directory.glob("**/data/postmaster.pid"):
        try:
            postmaster = psutil.Process(int(pid_file.read_text().split()[0]))
            if postmaster.cwd() == str(pid_file.parent):
                postmaster.send_signal(signal.SIGQUIT)
                postmaster.wait(30)
        except psutil.NoSuchProcess:
            continue
    shutil.rmtree(directory)


async def open_databases(server: EmbeddedServer, template: str, names: Sequence[str]) -> list[Node]:
    """New databases of this worker, copied from a template, the template made if it is missing."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    directory = Path(os.environ[DIRECTORY])
    nodes: list[Node] = []
    with _locked(directory / "templates.lock"):
        await _make_templates(server)
        connection = await asyncpg.connect(server.url("postgres"))
        try:
            for name in names:
                database = f"{name}_{worker}"
                await connection.execute(
                    f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY file_copy', timeout=60
                )
                nodes.append(await Node.open(name, server.url(database)))
        finally:
            await connection.close()
    return nodes


async def _make_templates(server: EmbeddedServer) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", LAID_OUT):
            return
        await server.create_database(MIGRATED)
        async with _opened(server.url(MIGRATED)) as node:
            await migrate(node, SCHEMAS)
            await keep_days(node, retention_days=30)
        await connection.execute(f'CREATE DATABASE "unfinished" TEMPLATE "{MIGRATED}" STRATEGY file_copy')
        async with _opened(server.url("unfinished")) as node:
            await lay_out(node, [node])
        await connection.execute(f'ALTER DATABASE "unfinished" RENAME TO "{LAID_OUT}"')
    finally:
        await connection.close()


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Node]:
    node = await Node.open("local", url)
    try:
        yield node
    finally:
        await node.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
