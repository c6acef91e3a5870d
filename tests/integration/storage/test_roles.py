"""Each service enters a database as a role of its own, which can touch its own tables and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import asyncpg
import pytest

import databases
from tiffin.cli.schemas import ROLES, SCHEMAS
from tiffin.events.retention import keep_days
from tiffin.sharding.partitions import create_partitions
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.migrations import migrate
from tiffin.storage.node import Node
from tiffin.storage.roles import Role, RoleError, apply_roles, open_as, role_name, role_url

SERVICES = [role.service for role in ROLES]
SHARED = {
    "log.events": {"SELECT", "INSERT"},
    "log.cursors": {"SELECT", "INSERT", "UPDATE"},
    "log.consumers": {"SELECT", "INSERT", "UPDATE"},
    "log.dead_letters": {"SELECT", "INSERT", "UPDATE"},
    "log.inbox": {"SELECT", "INSERT"},
    "log.history": {"SELECT"},
    "tiffin.topology": {"SELECT"},
    "tiffin.epoch": {"SELECT"},
    "tiffin.nodes": {"SELECT"},
    "tiffin.absent": {"SELECT"},
}
"""All that a service may ever be given outside its own schema."""

OF_NOBODY = (asyncpg.WrongObjectTypeError, asyncpg.ObjectNotInPrerequisiteStateError)

ATTEMPTS = {
    "SELECT": "SELECT FROM {table}",
    "INSERT": "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE": "UPDATE {table} SET {column} = DEFAULT",
    "DELETE": "DELETE FROM {table}",
    "TRUNCATE": "TRUNCATE {table}",
}


def password_of(role: str) -> str:
    return f"secret of {role}: / ? # % @"


@pytest.fixture
async def fresh(server: EmbeddedServer, new_id: Callable[[str], str]) -> AsyncIterator[Node]:
    """A database of its owner's, migrated, without roles."""
    name = new_id("fresh")
    await server.create_database(name)
    node = await Node.open("fresh", server.url(name))
    await migrate(node, SCHEMAS)
    yield node
    await node.close()
    await databases.drop(server, name)


@pytest.fixture(scope="module")
async def owned(server: EmbeddedServer) -> AsyncIterator[Node]:
    """A database with roles, made before the log had days and before there was any partition."""
    await server.create_database("roles")
    node = await Node.open("roles", server.url("roles"))
    await migrate(node, SCHEMAS)
    await apply_roles(node, ROLES, password_of)
    await keep_days(node, 30)
    for dimension in ("customer", "restaurant"):
        await create_partitions(node, dimension, [0, 1])
    yield node
    await node.close()
    await databases.drop(server, "roles")


async def enter(owner: Node, service: str) -> asyncpg.Connection:
    return await asyncpg.connect(role_url(owner.url, service, password_of))


async def is_refused(connection: asyncpg.Connection, statement: str) -> bool:
    """Whether somebody lacks the privilege, or nobody can have it (of a view). What they did is undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except (asyncpg.InsufficientPrivilegeError, *OF_NOBODY):
        return True
    except asyncpg.PostgresError:
        return False
    finally:
        await transaction.rollback()
    return False


WITHOUT_TABLES = {"versions"}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_role_is_refused_every_table_that_is_not_its_own(owned: Node, service: str):
    tables = await owned.fetch("""
        SELECT n.nspname AS schema, n.nspname || '.' || c.relname AS name, c.relispartition AS is_partition,
               (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS column
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname !~ '^pg_|^information_schema$'
    """)
    assert {table["schema"] for table in tables} >= {schema.name for schema in SCHEMAS} - WITHOUT_TABLES
    assert sum(table["is_partition"] for table in tables) > 10
    connection = await enter(owned, service)
    done = []
    for table in tables:
        may = set(ATTEMPTS) if table["schema"] == service else SHARED.get(table["name"], set())
        for verb in ATTEMPTS.keys() - may:
            statement = ATTEMPTS[verb].format(table=table["name"], column=table["column"])
            if not await is_refused(connection, statement):
                done.append(statement)
    await connection.close()
    assert done == []


@pytest.mark.parametrize("service", SERVICES)
async def test_a_role_makes_changes_and_drops_nothing(owned: Node, service: str):
    connection = await enter(owned, service)
    own = await owned.fetchrow(
        "SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY tablename LIMIT 1", service
    )
    table = f"{service}.{own['tablename']}" if own else "log.events"
    schema = table.partition(".")[0]
    statements = (
        f"CREATE TABLE {schema}.more (id int)",
        "CREATE TABLE public.more (id int)",
        "CREATE TEMPORARY TABLE more (id int)",
        "CREATE SCHEMA more",
        "CREATE ROLE more",
        f"CREATE FUNCTION {schema}.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        f"CREATE INDEX ON {table} (id)",
        f"ALTER TABLE {table} ADD COLUMN more int",
        f"TRUNCATE {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE {table} OWNER TO CURRENT_USER",
        f'SET ROLE "{urlsplit(owned.url).username}"',
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')",
    )
    done = [statement for statement in statements if not await is_refused(connection, statement)]
    for statement in ("CREATE DATABASE more", "ALTER SYSTEM SET work_mem = '1MB'"):
        with suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
            done.append(statement)
    await connection.execute(f"GRANT SELECT ON {table} TO PUBLIC")  # PostgreSQL only warns: nothing to give
    is_given = await connection.fetchval("SELECT has_table_privilege('public', $1, 'SELECT')", table)
    await connection.close()
    assert (done, is_given) == ([], False)


async def test_partitions_made_after_the_roles_are_read_and_written_through_their_table(owned: Node):
    connection = await enter(owned, "users")
    async with connection.transaction():
        await connection.execute("INSERT INTO users.customers VALUES (1, 'ana', 1, '{}', '')")
        assert await connection.fetchval("SELECT count(*) FROM users.customers WHERE shard = 1") == 1
        await connection.execute("DELETE FROM users.customers WHERE shard = 1 AND id = 'ana'")
    await connection.close()


async def test_roles_are_applied_twice_and_by_two_at_once(fresh: Node):
    await asyncio.gather(*(apply_roles(fresh, ROLES, password_of) for _ in range(2)))
    before = await fresh.fetch("SELECT oid, relacl, xmin FROM pg_class WHERE relacl IS NOT NULL ORDER BY oid")
    await apply_roles(fresh, ROLES, password_of)
    after = await fresh.fetch("SELECT oid, relacl, xmin FROM pg_class WHERE relacl IS NOT NULL ORDER BY oid")
    assert after == before
    for service in SERVICES:
        await (await enter(fresh, service)).close()


async def test_what_a_role_has_too_much_is_taken_away(fresh: Node):
    await apply_roles(fresh, [Role("users", {"orders.*": ("SELECT",)})], password_of)
    connection = await enter(fresh, "users")
    await connection.execute("SELECT FROM orders.orders")
    await apply_roles(fresh, [Role("users", {"users.*": ("SELECT",)})], password_of)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT FROM orders.orders")
    await connection.execute("SELECT FROM users.customers")
    await connection.close()


async def test_an_owner_who_may_not_create_roles_is_told(fresh: Node, new_id: Callable[[str], str]):
    owner, database = new_id("owner"), fresh.url.rpartition("/")[2]
    await fresh.execute(f"""
        CREATE ROLE "{owner}" LOGIN PASSWORD 'x'; ALTER DATABASE "{database}" OWNER TO "{owner}";
        CREATE SCHEMA theirs AUTHORIZATION "{owner}"; CREATE TABLE theirs.things (id int);
        ALTER TABLE theirs.things OWNER TO "{owner}"
    """)
    superuser = urlsplit(fresh.url).netloc.split("@")[0]
    node = await Node.open("fresh", fresh.url.replace(superuser, f"{owner}:x"))
    roles = [Role("theirs", {"theirs.*": ("SELECT",)})]
    with pytest.raises(RoleError, match=f'ALTER ROLE "{owner}" CREATEROLE'):
        await apply_roles(node, roles, password_of)
    await fresh.execute(f'ALTER ROLE "{owner}" CREATEROLE')
    await apply_roles(node, roles, password_of)
    connection = await enter(node, "theirs")
    await connection.execute("SELECT FROM theirs.things")
    await connection.close()
    await node.close()


async def test_another_password_is_told_and_can_be_set_anew(fresh: Node):
    await apply_roles(fresh, ROLES, password_of)
    await apply_roles(fresh, ROLES, lambda _: "another")
    with pytest.raises(RoleError, match="does not let users in"):
        await open_as("fresh", fresh.url, "users", lambda _: "another")
    await apply_roles(fresh, ROLES, lambda _: "another", new_passwords=True)
    await (await open_as("fresh", fresh.url, "users", lambda _: "another")).close()


async def test_a_role_that_was_never_made_is_told(fresh: Node):
    with pytest.raises(RoleError, match="tiffin migrate"):
        await open_as("fresh", fresh.url, "users", password_of)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:pw@host:5433/tiffin", "postgresql://tiffin_orders:p%2F@host:5433/tiffin"),
        (
            "postgres://host/tiffin?sslmode=require",
            "postgres://tiffin_orders:p%2F@host/tiffin?sslmode=require",
        ),
        (
            "postgresql:///?host=%2Frun&user=me&password=pw&dbname=a%20b",
            "postgresql://a%20b_orders:p%2F@/a%20b?host=%2Frun",
        ),
        ("postgresql://me@a:1,b:2", "postgresql://me_orders:p%2F@a:1,b:2/me"),
    ],
)
def test_a_role_enters_where_the_owner_does(url: str, expected: str):
    assert role_url(url, "orders", lambda _: "p/") == expected


def test_a_database_without_a_name_and_one_with_too_long_a_name_are_refused():
    with pytest.raises(RoleError, match="names no database"):
        role_url("postgresql://host", "orders", password_of)
    with pytest.raises(RoleError, match="63 bytes"):
        role_name("d" * 60, "orders")


async def test_the_ledgers_own_role_changes_and_removes_nothing_that_has_been_entered(owned: Node):
    connection = await enter(owned, "ledger")
    statements = [
        "UPDATE ledger.entries SET trace = ''",
        "UPDATE ledger.policies SET body = ''",
        *(
            f"{verb} ledger.{table}"
            for verb in ("DELETE FROM", "TRUNCATE")
            for table in ("entries", "policies", "balances", "dues", "settlements")
        ),
    ]
    done = [statement for statement in statements if not await is_refused(connection, statement)]
    await connection.close()
    assert done == []
