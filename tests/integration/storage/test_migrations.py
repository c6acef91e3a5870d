"""Schema migrations: each file once, whole or not at all, by as many processes as like, and never edited."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from tiffin.cli.schemas import SCHEMAS
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.migrations import EditedMigration, Schema, migrate
from tiffin.storage.node import Node


@pytest.fixture
async def fresh(server: EmbeddedServer, new_id: Callable[[str], str]) -> AsyncIterator[Node]:
    """A node in which nothing is yet."""
    name = new_id("fresh")
    await server.create_database(name)
    node = await Node.open("fresh", server.url(name))
    yield node
    await node.close()


@pytest.fixture
def schema(tmp_path: Path, monkeypatch, new_id: Callable[[str], str]) -> Schema:
    """A schema whose package has two files: `0001_parcels.sql` and `0002_senders.sql`."""
    package = new_id("shop").replace("-", "_")
    (tmp_path / package / "migrations").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, package, "0002_senders.sql", "ALTER TABLE shop.parcels ADD COLUMN sender text;")
    write(tmp_path, package, "0001_parcels.sql", "CREATE TABLE shop.parcels (id bigint PRIMARY KEY);")
    write(tmp_path, package, "README.md", "Not SQL.")
    return Schema("shop", package)


def write(directory: Path, package: str, file: str, sql: str) -> None:
    (directory / package / "migrations" / file).write_text(sql)


async def test_the_platforms_own_schemas_are_applied_once(fresh: Node):
    first = await migrate(fresh, SCHEMAS)
    assert first[0] == "tiffin/0001_topology.sql"
    assert {name.split("/")[0] for name in first} == {schema.name for schema in SCHEMAS}
    assert await migrate(fresh, SCHEMAS) == []


async def test_files_are_applied_in_order_of_name_and_recorded(fresh: Node, schema: Schema):
    assert await migrate(fresh, [schema]) == ["shop/0001_parcels.sql", "shop/0002_senders.sql"]
    recorded = await fresh.fetch("SELECT file, length(sha256) AS digits FROM tiffin.migrations ORDER BY file")
    assert [tuple(row) for row in recorded] == [("0001_parcels.sql", 64), ("0002_senders.sql", 64)]
    assert await fresh.fetch("SELECT id, sender FROM shop.parcels") == []


async def test_processes_that_migrate_at_once_apply_each_file_once(fresh: Node, schema: Schema):
    applied = await asyncio.gather(*(migrate(fresh, [schema]) for _ in range(8)))
    assert sorted(map(len, applied)) == [0, 0, 0, 0, 0, 0, 0, 2]


async def test_a_new_file_is_applied_alone(fresh: Node, schema: Schema, tmp_path: Path):
    await migrate(fresh, [schema])
    write(
        tmp_path, schema.package, "0003_receivers.sql", "ALTER TABLE shop.parcels ADD COLUMN receiver text;"
    )
    assert await migrate(fresh, [schema]) == ["shop/0003_receivers.sql"]


async def test_an_edited_file_is_refused_and_nothing_after_it_is_applied(
    fresh: Node, schema: Schema, tmp_path: Path
):
    await migrate(fresh, [schema])
    write(tmp_path, schema.package, "0001_parcels.sql", "CREATE TABLE shop.parcels (id text PRIMARY KEY);")
    write(
        tmp_path, schema.package, "0003_receivers.sql", "ALTER TABLE shop.parcels ADD COLUMN receiver text;"
    )
    with pytest.raises(EditedMigration, match=r"shop/0001_parcels\.sql was edited"):
        await migrate(fresh, [schema])
    with pytest.raises(asyncpg.UndefinedColumnError):
        await fresh.fetch("SELECT receiver FROM shop.parcels")


async def test_a_file_that_fails_leaves_no_trace_and_can_be_corrected(
    fresh: Node, schema: Schema, tmp_path: Path
):
    write(tmp_path, schema.package, "0003_broken.sql", "CREATE TABLE shop.half (); SELECT nonsense;")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(fresh, [schema])
    assert not await fresh.fetch("SELECT 1 FROM pg_class WHERE relname = 'half'")

    write(tmp_path, schema.package, "0003_broken.sql", "CREATE TABLE shop.half ();")
    assert await migrate(fresh, [schema]) == ["shop/0003_broken.sql"]


async def test_a_file_that_cannot_be_recorded_is_not_applied(fresh: Node, schema: Schema, tmp_path: Path):
    await migrate(fresh, [schema])
    unrecordable = "CREATE TABLE shop.half (); ALTER TABLE tiffin.migrations RENAME TO elsewhere;"
    write(tmp_path, schema.package, "0003_thief.sql", unrecordable)
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(fresh, [schema])
    assert not await fresh.fetch("SELECT 1 FROM pg_class WHERE relname IN ('half', 'elsewhere')")


async def test_a_package_without_migrations_gets_its_schema(fresh: Node, tmp_path: Path, monkeypatch):
    (tmp_path / "bare_shop").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert await migrate(fresh, [Schema("bare", "bare_shop")]) == []
    assert await fresh.fetch("SELECT 1 FROM pg_namespace WHERE nspname = 'bare'")
