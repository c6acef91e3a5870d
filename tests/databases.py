"""The tests' PostgreSQL: one server for all processes of a run, databases copied from a template."""

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil

from tiffin.cli.schemas import SCHEMAS
from tiffin.events.retention import keep_days
from tiffin.sharding.partitions import create_partitions
from tiffin.sharding.slots import DIMENSIONS, Dimension
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
    "max_wal_size": "256MB",
    "autovacuum_naptime": "10s",
    "max_connections": "600",  # several platforms at a time, of each worker
}
"""Nothing of a test run outlives it. Where durability itself is tested a server of its own is started."""

ROOM_BYTES = 4 << 30

TEMPLATE = "migrated"
"""Every schema and the log's days, without shards: creating partitions is quicker than copying them."""


def make_directory() -> Path:
    """A temporary directory that the server's user can enter, in memory if there is room.

    ext4 avoids inodes freed moments ago: run after run of thousands of tables gets five times slower on it.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES
    made = Path(tempfile.mkdtemp(prefix="tiffin-test-", dir=memory if roomy else None))
    made.chmod(0o755)
    return made


@contextmanager
def directory() -> Generator[Path]:
    """A directory as `make_directory` makes it, for as long as this is entered."""
    made = make_directory()
    try:
        yield made
    finally:
        remove_directory(made)


def remove_directory(directory: Path) -> None:
    """Stop what still runs there, whoever started it, and take everything away."""
    for pid_file in directory.glob("rabbitmq-*/pids"):
        for pid in map(int, pid_file.read_text().split()):
            with suppress(psutil.Error):
                if psutil.Process(pid).environ().get("HOME") == str(pid_file.parent):
                    psutil.Process(pid).kill()
    for pid_file in directory.glob("**/data/postmaster.pid"):
        try:
            postmaster = psutil.Process(int(pid_file.read_text().split()[0]))
            if postmaster.cwd() == str(pid_file.parent):
                postmaster.send_signal(signal.SIGQUIT)
                postmaster.wait(30)
        except psutil.NoSuchProcess:
            continue
    shutil.rmtree(directory)


async def open_platform(
    server: EmbeddedServer, names: Sequence[str], held: Mapping[str, Sequence[int]] | None = None
) -> list[Node]:
    """New nodes of this worker with every schema; the first is the directory. All shards are spread evenly,
    or these nodes get these shards of both dimensions, the first one all others."""
    await _make_template(server)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    nodes: list[Node] = []
    async with _administering(server) as connection:
        for name in names:
            await connection.execute(f'CREATE DATABASE "{name}_{worker}" TEMPLATE "{TEMPLATE}"')
            nodes.append(await Node.open(name, server.url(f"{name}_{worker}")))
    for name, shards in (held or {}).items():
        await nodes[0].execute(
            "INSERT INTO tiffin.topology (dimension, shard, node)"
            " SELECT d, s, $2 FROM unnest($1::smallint[]) AS s, unnest($3::text[]) AS d",
            list(shards), name, list(DIMENSIONS),
        )  # fmt: skip
    await lay_out(nodes[0], nodes if held is None else nodes[:1])
    for node in nodes:
        if held is not None and node.name in held:
            for dimension in DIMENSIONS:
                await create_partitions(node, dimension, held[node.name])
    return nodes


async def drop_platform(server: EmbeddedServer, names: Sequence[str]) -> None:
    """Take away databases of this worker, so that a later test may have the names."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    for name in names:
        await drop(server, f"{name}_{worker}")


async def drop(server: EmbeddedServer, database: str) -> None:
    """Take away a database and the roles that were made for it: another of its name has other passwords."""
    async with _administering(server) as connection:
        await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        for row in await connection.fetch(
            "SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", f"{database}_"
        ):
            await connection.execute(f'DROP ROLE "{row["rolname"]}"')


async def end_moves(nodes: Sequence[Node]) -> None:
    """Take away what moves that a failed test has left open keep databases from being dropped by."""
    for node in nodes:
        for row in await node.fetch(
            "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
            " WHERE d.datname = current_database()"
        ):
            await node.execute(f"ALTER SUBSCRIPTION {row['subname']} DISABLE")
            await node.execute(f"ALTER SUBSCRIPTION {row['subname']} SET (slot_name = NONE)")
            await node.execute(f"DROP SUBSCRIPTION {row['subname']}")
    for node in nodes:
        await node.execute(
            "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots"
            " WHERE database = current_database() AND active"
        )
        await node.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE database = current_database()"
        )


async def partitions_of(node: Node) -> dict[tuple[str, Dimension], list[int]]:
    """Shards that the database has of each sharded table, by the table's name and dimension."""
    rows = await node.fetch(r"""
        SELECT parent.oid::regclass::text AS name,
               substring(obj_description(parent.oid, 'pg_class') FROM 'dimension: (\w+)') AS dimension,
               array_agg(substring(child.relname FROM '_(\d+)$')::int ORDER BY child.relname) AS shards
          FROM pg_class parent JOIN pg_inherits i ON i.inhparent = parent.oid
          JOIN pg_class child ON child.oid = i.inhrelid
         WHERE parent.relkind = 'p' AND obj_description(parent.oid, 'pg_class') LIKE 'dimension: %'
         GROUP BY parent.oid
    """)
    return {(row["name"], row["dimension"]): row["shards"] for row in rows}


async def _make_template(server: EmbeddedServer) -> None:
    with _locked(Path(os.environ[DIRECTORY]) / "template.lock"):
        async with _administering(server) as connection:
            if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", TEMPLATE):
                return
            await connection.execute('CREATE DATABASE "unfinished"')
            node = await Node.open("template", server.url("unfinished"))
            try:
                await migrate(node, SCHEMAS)
                await keep_days(node, retention_days=30)
            finally:
                await node.close()
            await connection.execute(f'ALTER DATABASE "unfinished" RENAME TO "{TEMPLATE}"')


@asynccontextmanager
async def _administering(server: EmbeddedServer) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
