"""Days of the log go when they are old and everybody has read them; never before."""

import asyncio
from datetime import timedelta

import pytest

from log_bench import append, days, log_node, make_old_day, read_until, today, until
from manual_clock import ManualClock
from tiffin.events import retention
from tiffin.events.consumer import Consumer
from tiffin.events.reader import QUERIES, Cursor
from tiffin.events.retention import keep_days
from tiffin.events.runner import ConsumerRunner
from tiffin.primitives.errors import Unavailable
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node


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
    task.cancel()
    await asyncio.wait([task])


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
