"""The reader of the log skips nothing, in whatever order transactions begin, write and commit."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import asyncpg
import pytest

from log_bench import all_committed, append, read_until, transaction
from tiffin.events.reader import START, Cursor, after, end, from_moment, read, read_of_types
from tiffin.storage.node import Connection, Node


class NaiveReader:
    """The classic outbox bug: whatever has a higher number than the last one seen."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._last = 0
        self.keys: list[str] = []

    async def read(self) -> None:
        rows = await self._node.fetch(
            "SELECT key, position FROM log.events WHERE position > $1 ORDER BY position", self._last
        )
        self.keys += [row["key"] for row in rows]
        self._last = max([self._last, *(row["position"] for row in rows)])


async def test_an_event_that_commits_late_is_not_skipped_where_a_reader_by_number_skips_it(log: Node) -> None:
    naive = NaiveReader(log)
    async with transaction(log) as slow:
        await append(slow, "slow")
        await append(log, "fast")
        await naive.read()
        async with log.connection() as connection:
            assert await read(connection, START) == []
        await slow.execute("COMMIT")
    await naive.read()
    assert naive.keys == ["fast"], "the bug: the slow one is never seen"
    events, _ = await read_until(log, 2)
    assert [event.key for event in events] == ["slow", "fast"]


async def test_a_long_transaction_that_writes_only_at_its_end_comes_in_its_place(log: Node) -> None:
    """Its number is higher than that of events committed long before it; its transaction is older."""
    async with transaction(log) as slow:
        await append(log, "fast-1")
        await append(log, "fast-2")
        await append(slow, "slow")
        async with log.connection() as connection:
            assert await read(connection, START) == []
        await slow.execute("COMMIT")
    events, _ = await read_until(log, 3)
    assert [event.key for event in events] == ["slow", "fast-1", "fast-2"]
    assert [event.position for event in events] == [3, 1, 2]


async def test_a_long_transaction_that_never_writes_to_the_log_holds_events_back_and_loses_none(
    log: Node,
) -> None:
    async with transaction(log) as slow:
        await append(log, "fast")
        async with log.connection() as connection:
            assert await read(connection, START) == []
        await slow.execute("ROLLBACK")
    events, _ = await read_until(log, 1)
    assert events[0].key == "fast"


async def _interleave(log: Node, random: Random, naive: NaiveReader) -> None:
    """Four writers, each step at random: begin, append, commit or roll back; readers look in between."""
    writers = [await asyncpg.connect(log.url) for _ in range(4)]
    open_ones: set[int] = set()
    committed: set[str] = set()
    written: dict[int, list[str]] = {}
    seen: list[str] = []
    cursor = Cursor(*await _end(log))
    try:
        for step in range(40):
            number = random.randrange(len(writers))
            writer = writers[number]
            if number not in open_ones:
                await writer.execute("BEGIN")
                if random.random() < 0.5:
                    await writer.fetchval("SELECT pg_current_xact_id()::text")
                open_ones.add(number)
                written[number] = []
            elif random.random() < 0.6:
                keys = [f"{step}-{i}" for i in range(random.randrange(1, 4))]
                await append(writer, *keys)
                written[number] += keys
            else:
                commit = random.random() < 0.8
                await writer.execute("COMMIT" if commit else "ROLLBACK")
                open_ones.remove(number)
                committed.update(written[number] if commit else ())
            async with log.connection() as connection:
                for event in await read(connection, cursor, limit=random.choice((1, 2, 500))):
                    seen.append(event.key)
                    cursor = after(event)
            await naive.read()
        for number in open_ones:
            await writers[number].execute("COMMIT")
            committed.update(written[number])
    finally:
        for writer in writers:
            await writer.close()
    rest, _ = await read_until(log, len(committed) - len(seen), cursor)
    seen += [event.key for event in rest]
    assert len(seen) == len(set(seen)), "none twice"
    assert set(seen) == committed, "none skipped, none that was rolled back"
    assert seen == (await all_committed(log))[-len(seen) :], "in order"
    await naive.read()


async def _end(log: Node) -> Cursor:
    async with log.connection() as connection:
        return await end(connection)


async def test_whatever_the_interleaving_every_committed_event_comes_once_and_in_order(log: Node) -> None:
    skipped = 0
    for seed in range(10):
        await log.execute("TRUNCATE log.events")
        naive = NaiveReader(log)
        await naive.read()
        await _interleave(log, Random(seed), naive)
        skipped += len(set(await all_committed(log)) - set(naive.keys))
    assert skipped > 10, "these interleavings are the ones that make a reader by number skip"


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
async def test_reading_on_from_the_cursor_repeats_and_leaves_out_nothing(log: Node, limit: int) -> None:
    for first in range(0, 40, 4):
        await append(log, *(str(number) for number in range(first, first + 4)))
    events, cursor = await read_until(log, 40, limit=limit)
    assert [event.key for event in events] == [str(number) for number in range(40)]
    async with log.connection() as connection:
        assert await read(connection, cursor) == []


async def test_an_event_of_a_transaction_begun_before_midnight_is_read_after_those_of_the_new_day(
    log: Node,
) -> None:
    await append(log, "today")
    _, cursor = await read_until(log, 1)
    await append(log, "yesterday", days_ago=1)
    events, cursor = await read_until(log, 1, cursor)
    assert events[0].key == "yesterday"
    await append(log, "today again")
    await append(log, "tomorrow", days_ago=-1)
    events, _ = await read_until(log, 2, cursor)
    assert [event.key for event in events] == ["today again", "tomorrow"]


async def test_the_end_lies_behind_what_is_committed_and_before_what_is_still_to_come(log: Node) -> None:
    await append(log, "before")
    await read_until(log, 1)
    async with transaction(log) as slow:
        await append(slow, "under way")
        await append(log, "meanwhile")
        cursor = await _end(log)
        await slow.execute("COMMIT")
    await append(log, "after")
    events, _ = await read_until(log, 3, cursor)
    assert [event.key for event in events] == ["under way", "meanwhile", "after"]


async def test_what_is_written_while_a_reader_looks_for_where_to_begin_is_not_passed(log: Node) -> None:
    begins_at = datetime.now(UTC) - timedelta(hours=1)
    async with log.connection() as connection:
        looking: Any = _Meanwhile(connection, lambda: append(log, "meanwhile"))
        cursor = await from_moment(looking, begins_at)
    (event,), _ = await read_until(log, 1)
    assert (cursor.xid, cursor.position) < (event.xid, event.position)


class _Meanwhile:
    """A connection between whose first and second question something happens."""

    def __init__(self, connection: Connection, happens: Callable[[], Awaitable[None]]) -> None:
        self._connection = connection
        self._happens: Callable[[], Awaitable[None]] | None = happens

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        row = await self._connection.fetchrow(query, *arguments)
        if self._happens is not None:
            happens, self._happens = self._happens, None
            await happens()
        return row


async def test_an_event_carries_what_was_written(log: Node) -> None:
    await append(log, "17", restaurant_id="restaurant-9")
    (event,), _ = await read_until(log, 1)
    assert (event.dimension, event.shard, event.stream, event.key) == ("customer", 0, "order", "17")
    assert (event.version, event.type, event.trace) == (1, "order.accepted", "request")
    assert '"restaurant_id":"restaurant-9"' in event.data


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_a_reader_of_some_types_gets_all_of_those_and_passes_all_others(log: Node, limit: int) -> None:
    rng = Random(limit)
    types = [rng.choice(("order.placed", "order.paid", "order.accepted")) for _ in range(40)]
    for number, type_ in enumerate(types):
        await append(log, str(number), type_=type_)
    wanted = ("order.placed", "order.paid")
    every, _ = await read_until(log, len(types))
    got: list[str] = []
    cursor, passed = START, 0
    while passed < len(types):
        async with log.connection() as connection:
            batch = await read_of_types(connection, cursor, wanted, limit)
        assert batch.seen == min(limit, len(types) - passed)
        got += [event.key for event in batch.events]
        cursor, passed = batch.end, passed + batch.seen
        assert cursor == after(every[passed - 1])
    assert got == [str(number) for number, type_ in enumerate(types) if type_ in wanted]
    async with log.connection() as connection:
        assert (await read_of_types(connection, cursor, wanted)).seen == 0
