"""Days of the log go when they are old and everybody has read them; never before."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from event_transports import kill
from log_bench import append, days, log_node, make_old_day, read_until, today, until
from manual_clock import ManualClock
from tiffin.events import retention
from tiffin.events.consumer import Consumer
from tiffin.events.dead_letters import DeadLetters, failed
from tiffin.events.event import Event
from tiffin.events.inbox import unmarked
from tiffin.events.reader import QUERIES, Cursor
from tiffin.events.retention import keep_days
from tiffin.events.runner import ConsumerRunner
from tiffin.primitives.errors import Unavailable
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

EPOCH = date(1970, 1, 1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


async def stand(log: Node, consumer: str, cursor: Cursor) -> None:
    await log.execute(QUERIES["move_cursor"], consumer, str(cursor.xid), cursor.position, cursor.day, 0)


async def test_the_days_of_the_coming_week_are_there_before_they_come(log: Node) -> None:
    expected = [today() + timedelta(days=offset) for offset in range(-1, 8)]
    assert await days(log) == expected
    assert await keep_days(log, 30) == []
    assert await days(log) == expected


async def test_old_days_that_everybody_has_read_are_dropped_whole(log: Node) -> None:
    old = [await make_old_day(log, ago, f"{ago}") for ago in (40, 32, 31)]
    kept = await make_old_day(log, 30, "30")
    _, cursor = await read_until(log, 4)
    await append(log, "today")
    _, cursor = await read_until(log, 1, cursor)
    await stand(log, "test.reader", cursor)
    assert await keep_days(log, 30) == old
    assert not set(await days(log)) & set(old)
    assert kept in await days(log)
    events, _ = await read_until(log, 2)
    assert [event.key for event in events] == ["30", "today"]


async def test_a_day_that_one_reader_has_not_read_is_kept_however_old(log: Node) -> None:
    old = [await make_old_day(log, ago, f"{ago}") for ago in (50, 45, 40, 35)]
    fast, fast_cursor = await read_until(log, 4)
    await append(log, "today")
    _, fast_cursor = await read_until(log, 1, fast_cursor)
    await stand(log, "test.fast", fast_cursor)
    slow = fast[2]
    await stand(log, "test.slow", Cursor(slow.xid, slow.position, slow.day))
    assert await keep_days(log, 30) == old[:2]
    events, _ = await read_until(log, 2, Cursor(slow.xid, slow.position, slow.day))
    assert [event.key for event in events] == ["35", "today"]
    await stand(log, "test.slow", fast_cursor)
    assert await keep_days(log, 30) == old[2:]


async def test_the_day_before_the_cursors_is_kept_for_what_was_begun_before_midnight(log: Node) -> None:
    before, day = await make_old_day(log, 36), await make_old_day(log, 35, "35")
    _, cursor = await read_until(log, 1)
    await stand(log, "test.reader", cursor)
    assert await keep_days(log, 30) == []
    assert {before, day} <= set(await days(log))


async def test_a_consumer_that_has_not_handled_anything_yet_keeps_everything(
    log: Node, clock: ManualClock
) -> None:
    old = await make_old_day(log, 40, "40")
    reached = asyncio.Event()

    async def handle(_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(ConsumerRunner(Consumer("test.new", handle), log, clock).run())
    await reached.wait()
    assert await keep_days(log, 30) == []
    assert old in await days(log)
    await kill(task)


async def mark(log: Node, days_ago: int, key: str) -> list[Event]:
    event = Event(1, 1, (today() - EPOCH).days - days_ago, "customer", 0, "order", key, 1, "", "", NOON, "")
    async with log.transaction() as connection:
        return await unmarked(connection, "test.marks", [event])


async def test_marks_are_kept_longer_than_their_events(log: Node) -> None:
    for ago in range(34, 40):
        await log.execute(
            f"CREATE TABLE log.inbox_{today() - timedelta(days=ago):%Y%m%d} PARTITION OF log.inbox FOR VALUES"
            f" FROM ('{today() - timedelta(days=ago)}') TO ('{today() - timedelta(days=ago - 1)}')"
        )
    for ago in (38, 37, 31, 20, 1, 0):
        assert await mark(log, ago, f"{ago}") != []
    await keep_days(log, 30)
    assert [ago for ago in (38, 37, 31, 20, 1, 0) if await mark(log, ago, f"{ago}") == []] == [
        37,
        31,
        20,
        1,
        0,
    ]


async def test_marks_of_a_day_that_the_log_still_has_are_kept_however_old(log: Node) -> None:
    await make_old_day(log, 40, "40")
    _, cursor = await read_until(log, 1)
    await stand(log, "test.slow", cursor)
    await mark(log, 41, "41")
    await mark(log, 48, "48")
    await keep_days(log, 30)
    assert await mark(log, 41, "41") == []
    assert await mark(log, 48, "48") != []


async def test_letters_that_were_settled_long_ago_are_forgotten_and_open_ones_never(log: Node) -> None:
    await append(log, "1", "2", "3")
    events, _ = await read_until(log, 3)
    letters = DeadLetters("test.letters", log)
    await letters.bury([failed(event, ValueError(), 5) for event in events], NOON)
    await log.execute(
        "UPDATE log.dead_letters SET state = 'discarded', settled_at = now() - make_interval(days => $1)"
        " WHERE key = '1'", 31,
    )  # fmt: skip
    await log.execute("UPDATE log.dead_letters SET state = 'discarded', settled_at = now() WHERE key = '2'")
    await keep_days(log, 30)
    assert [row["key"] for row in await log.fetch("SELECT key FROM log.dead_letters ORDER BY 1")] == [
        "2",
        "3",
    ]


async def test_two_processes_may_keep_days_at_once(log: Node) -> None:
    processes = [await Node.open("log", log.url, readers_max=1) for _ in range(4)]
    for _ in range(5):
        old = [await make_old_day(log, ago) for ago in (40, 39)]
        await log.execute(f"DROP TABLE log.events_{today() + timedelta(days=7):%Y%m%d}")
        dropped = await asyncio.gather(*(keep_days(process, 30) for process in processes))
        assert sorted(day for each in dropped for day in each) == sorted(old)
        assert today() + timedelta(days=7) in await days(log)
    for process in processes:
        await process.close()


async def test_writers_do_not_stand_in_line_behind_a_long_reader_of_the_log(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropping a day waits for whoever reads the log, and writers would wait behind it."""
    monkeypatch.setattr(retention, "LOCK_TIMEOUT_MS", 50)
    async with log_node(server) as log:
        old = await make_old_day(log, 40)
        async with log.transaction() as reading:
            await reading.fetch("SELECT count(*) FROM log.events")
            with pytest.raises(Unavailable) as unavailable:
                await keep_days(log, 30)
            assert unavailable.value.code == "database_busy"
            await append(log, "written")
        assert await keep_days(log, 30) == [old]


async def test_a_dropped_day_takes_nothing_from_a_consumer_at_work(log: Node, clock: ManualClock) -> None:
    handled: list[str] = []

    async def handle(events: list) -> None:
        handled.extend(event.key for event in events)

    await make_old_day(log, 40, "40")
    task = asyncio.create_task(ConsumerRunner(Consumer("test.busy", handle), log, clock).run())
    await until(lambda: handled == ["40"])
    for number in range(50):
        await append(log, str(number))
        if number % 10 == 0:
            await keep_days(log, 30)
    await until(lambda: len(handled) == 51)
    assert handled == ["40", *(str(number) for number in range(50))]
    task.cancel()
    await asyncio.wait([task])
