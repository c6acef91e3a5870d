"""The desk at a monolith's database: what it hears of, and whom it keeps waiting."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg
import psycopg
import pytest

from tiffin.migration.live.desk import LiveError, Row, Table
from tiffin.migration.live.postgresql import PostgresqlDesk
from tiffin.storage.embedded import EmbeddedServer
from tiffin_dual_write import Tiffin

ORDERS = """
    CREATE TABLE orders (id bigint PRIMARY KEY, status text NOT NULL, total numeric(10, 2) NOT NULL DEFAULT 0,
                         updated_at timestamptz NOT NULL DEFAULT clock_timestamp())
"""


@pytest.fixture
async def url(server: EmbeddedServer, new_id: Callable[[str], str]) -> AsyncIterator[str]:
    """A monolith's database of this test's own, with one order."""
    name = new_id("zeus")
    await server.create_database(name)
    connection = await asyncpg.connect(server.url(name))
    await connection.execute(ORDERS)
    await connection.execute("INSERT INTO orders VALUES (1, 'new')")
    await connection.close()
    yield server.url(name)
    connection = await asyncpg.connect(server.url("postgres"))
    await connection.execute(
        "SELECT pg_terminate_backend(active_pid), pg_sleep(0.1) FROM pg_replication_slots"
        f" WHERE database = '{name}' AND active"
    )
    await connection.execute(
        f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{name}'"
    )
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture
async def desk(url: str, new_id: Callable[[str], str]) -> AsyncIterator[PostgresqlDesk]:
    desk = await PostgresqlDesk.open(Table(url, "orders", "id", "updated_at", "updated_at"), new_id("zeus"))
    yield desk
    await desk.close()


@pytest.fixture
async def monolith(url: str) -> AsyncIterator[Any]:
    """A connection as the monolith has one."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def fetched(desk: PostgresqlDesk) -> list[str]:
    """All that is pending, confirmed."""
    keys: list[str] = []
    while (pending := await desk.pending(100)).keys:
        keys += pending.keys
        await desk.done(pending)
    await desk.done(pending)
    return keys


@pytest.mark.parametrize("capture", ["triggers", "stream"])
async def test_whatever_commits_is_heard_of_and_nothing_that_does_not(
    desk: PostgresqlDesk, monolith: Any, capture: Any
) -> None:
    await desk.prepare("zeus", capture)
    await monolith.execute("INSERT INTO orders VALUES (2, 'new'), (3, 'new')")
    await monolith.execute("UPDATE orders SET status = 'cooking' WHERE id = 1")
    with pytest.raises(ZeroDivisionError):
        async with monolith.transaction():
            await monolith.execute("INSERT INTO orders VALUES (4, 'new')")
            raise ZeroDivisionError
    await monolith.execute("DELETE FROM orders WHERE id = 3")
    await monolith.execute("UPDATE orders SET id = 20 WHERE id = 2")
    assert set(await fetched(desk)) == {"1", "2", "3", "20"}
    assert await fetched(desk) == []


@pytest.mark.parametrize("capture", ["triggers", "stream"])
async def test_what_was_not_confirmed_comes_again(desk: PostgresqlDesk, monolith: Any, capture: Any) -> None:
    await desk.prepare("zeus", capture)
    await monolith.execute("INSERT INTO orders VALUES (2, 'new')")
    assert (await desk.pending(10)).keys == ["2"]
    await monolith.execute("INSERT INTO orders VALUES (3, 'new')")
    assert await fetched(desk) == ["2", "3"]


async def test_a_change_that_commits_late_is_not_skipped(
    desk: PostgresqlDesk, url: str, monolith: Any
) -> None:
    await desk.prepare("zeus", "triggers")
    slow = await asyncpg.connect(url)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("INSERT INTO orders VALUES (2, 'new')")
    await monolith.execute("INSERT INTO orders VALUES (3, 'new')")
    assert await fetched(desk) == ["3"]
    await transaction.commit()
    await slow.close()
    assert await fetched(desk) == ["2"]


async def test_the_switch_waits_for_who_writes_and_the_next_wait_for_the_switch(
    desk: PostgresqlDesk, url: str, monolith: Any
) -> None:
    await desk.prepare("zeus", "triggers")
    transaction = monolith.transaction()
    await transaction.start()
    await monolith.execute("UPDATE orders SET status = 'cooking' WHERE id = 1")

    async def switch() -> list[str]:
        async with desk.switch(30) as switch:
            entered.set()
            keys = await fetched(desk)
            await go_on.wait()
            await switch.set_authority("new")
        return keys

    entered, go_on = asyncio.Event(), asyncio.Event()
    switching = asyncio.create_task(switch())
    await until_waiting(monolith, "tiffin_settings", 1)
    assert not entered.is_set()
    await transaction.commit()
    await entered.wait()
    late = await asyncpg.connect(url)
    writing = asyncio.create_task(late.execute("UPDATE orders SET status = 'packed' WHERE id = 1"))
    await until_waiting(monolith, "tiffin_settings", 1)
    go_on.set()
    assert await switching == ["1"]
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="in Tiffin now"):
        await writing
    await late.close()


async def until_waiting(connection: Any, table: str, how_many: int) -> None:
    """Until so many wait for a lock of the table; in this database."""
    async with asyncio.timeout(60):
        while how_many > await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass", table
        ):
            await asyncio.sleep(0.01)


async def test_a_switch_that_fails_has_changed_nothing(desk: PostgresqlDesk, monolith: Any) -> None:
    await desk.prepare("zeus", "triggers")
    with pytest.raises(LiveError, match="differ"):
        async with desk.switch(30) as switch:
            await switch.set_authority("new")
            raise LiveError("they differ")
    settings = await desk.settings()
    assert settings is not None
    assert settings.authority == "old"
    await monolith.execute("UPDATE orders SET status = 'cooking' WHERE id = 1")


async def test_the_switch_gives_up_when_somebody_writes_for_long(desk: PostgresqlDesk, monolith: Any) -> None:
    await desk.prepare("zeus", "triggers")
    async with monolith.transaction():
        await monolith.execute("UPDATE orders SET status = 'cooking' WHERE id = 1")
        with pytest.raises(LiveError, match="writing for more than"):
            async with desk.switch(0.2):
                pass


@pytest.mark.parametrize("capture", ["triggers", "stream", "library"])
async def test_a_table_that_follows_is_written_by_tiffin_alone_until_the_way_back(
    desk: PostgresqlDesk, monolith: Any, capture: Any
) -> None:
    await desk.prepare("zeus", capture)
    await desk.fence()
    await monolith.execute("UPDATE orders SET status = 'cooking' WHERE id = 1")
    async with desk.switch(30) as switch:
        await switch.set_authority("new")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await monolith.execute("UPDATE orders SET status = 'cooking' WHERE id = 1")
    later = await monolith.fetchval("SELECT (clock_timestamp() + interval '1 s')::text")
    row = Row(
        {"id": "1", "status": "packed", "total": "9.50", "updated_at": later},
        frozenset(("status", "updated_at")),
    )
    new = Row({**row.values, "id": "2", "status": "new"}, row.changing)
    assert await desk.write_back([row, new]) == 2
    assert await desk.write_back([row, new]) == 0
    assert await monolith.fetch("SELECT id, status, total::text FROM orders ORDER BY id") == [
        (1, "packed", "0.00"), (2, "new", "9.50"),
    ]  # fmt: skip
    async with desk.switch(30) as switch:
        await switch.set_authority("old")
    await monolith.execute("UPDATE orders SET status = 'riding' WHERE id = 1")


async def test_nothing_is_left_behind(desk: PostgresqlDesk, monolith: Any) -> None:
    await desk.prepare("zeus", "stream")
    await desk.fence()
    await desk.forget()
    assert await desk.settings() is None
    assert await monolith.fetchval("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0
    assert await monolith.fetchval("SELECT count(*) FROM pg_publication") == 0


async def test_what_has_changed_since_a_moment_is_noted(desk: PostgresqlDesk, monolith: Any) -> None:
    await desk.prepare("zeus", "library")
    moment = await monolith.fetchval("SELECT clock_timestamp()::text")
    await monolith.execute("INSERT INTO orders VALUES (2, 'new')")
    assert await desk.changed_since(moment, 10) == ["2"]
    assert await desk.note_since(moment) == 1
    assert await fetched(desk) == ["2"]


@pytest.fixture
def tiffin(url: str) -> Iterator[Tiffin]:
    """The library as a monolith has it, with a Tiffin that does not answer."""
    tiffin = Tiffin("zeus", lambda: psycopg.connect(url), "http://127.0.0.1:9", "no key")
    yield tiffin
    tiffin.close()


def cook(url: str, tiffin: Tiffin, fail: bool = False) -> str:
    """What the monolith does with order 1, in a transaction."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE orders SET status = 'cooking' WHERE id = 1")
        tiffin.note(connection.cursor(), 1)
        if fail:
            raise ZeroDivisionError
    return "old"


async def test_without_a_migration_the_library_does_nothing(url: str, tiffin: Tiffin) -> None:
    assert await asyncio.to_thread(cook, url, tiffin) == "old"
    assert not await asyncio.to_thread(tiffin.reads_new, 17)


async def test_a_note_commits_with_its_order_or_not_at_all(
    desk: PostgresqlDesk, url: str, tiffin: Tiffin
) -> None:
    await desk.prepare("zeus", "library")
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(cook, url, tiffin, fail=True)
    assert await fetched(desk) == []
    assert await asyncio.to_thread(cook, url, tiffin) == "old"
    assert await fetched(desk) == ["1"]


@pytest.mark.parametrize("fenced", [True, False])
async def test_who_still_believes_in_the_old_table_writes_on_the_other_side(
    desk: PostgresqlDesk, url: str, tiffin: Tiffin, fenced: bool
) -> None:
    await desk.prepare("zeus", "library")
    if fenced:
        await desk.fence()
    assert await asyncio.to_thread(tiffin.authority) == "old"
    async with desk.switch(30) as switch:
        await switch.set_authority("new")
    wrote = await asyncio.to_thread(tiffin.write, lambda: cook(url, tiffin), lambda: "new")
    assert wrote == "new"
    assert await asyncio.to_thread(tiffin.reads_new, 17)
    assert await fetched(desk) == []
