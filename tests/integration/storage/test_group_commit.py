"""The six rules of group commit, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from typing import Any

import asyncpg
import pytest

from commit_bench import Bench, Write, commit_node
from tiffin.primitives.errors import Unavailable
from tiffin.sharding.partitions import is_missing_partition
from tiffin.storage import group_commit
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

LONG_S = 30.0
SOON_S = 0.05


@pytest.fixture(scope="module")
async def commits(server: EmbeddedServer) -> AsyncIterator[Node]:
    async with commit_node(server) as node:
        yield node


@pytest.fixture
async def bench(commits: Node) -> AsyncIterator[Bench]:
    async with Bench.open(commits, commits) as bench:
        yield bench


async def test_callers_of_the_same_moment_share_a_commit(bench: Bench) -> None:
    writes = bench.writes(200)
    await asyncio.gather(*(bench.submit(write) for write in writes))
    commits = await bench.commits()
    assert sorted(token for batch in commits for token in batch) == sorted(w.token for w in writes)
    assert len(commits) == group_commit.LANES


async def test_every_caller_gets_the_row_of_its_own_operation(bench: Bench) -> None:
    writes = bench.writes(300)
    answers = await asyncio.gather(*(bench.submit(write) for write in writes))
    assert answers == [await bench.number(write) for write in writes]


async def test_an_operation_does_not_wait_for_company_and_a_batch_is_what_gathered_meanwhile(
    bench: Bench,
) -> None:
    first, *rest = bench.writes(21, lane=0)
    async with bench.gate_closed():
        tasks = [bench.start(first)]
        await bench.until_waiting(1)
        tasks += [bench.start(write) for write in rest]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in bench.sent] == [1, 20]


async def test_a_batch_is_limited_and_what_does_not_fit_comes_in_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "BATCH_MAX", 8)
    await asyncio.gather(*(bench.submit(write) for write in bench.writes(50)))
    assert max(len(batch) for batch in bench.sent) == 8
    assert sum(len(batch) for batch in bench.sent) == 50


@pytest.mark.parametrize("seed", range(10))
async def test_operations_on_one_key_never_share_a_commit_and_keep_their_order(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(group_commit, "BATCH_MAX", 4 if seed % 2 else 256)
    random = Random(seed)
    keys = [random.randrange(6) for _ in range(120)]
    writes = [bench.write(key=key) for key in keys]
    await asyncio.gather(*(bench.submit(write) for write in writes))
    for key in set(keys):
        of_key = [write for write in writes if write.key == key]
        rows = [await bench.row(write) for write in of_key]
        assert [row["n"] for row in rows] == sorted(row["n"] for row in rows)
        assert len({row["xid"] for row in rows}) == len(of_key)


async def test_a_batch_goes_in_order_of_its_keys_so_that_two_processes_lock_alike(bench: Bench) -> None:
    writes = bench.writes(100)
    Random(1).shuffle(writes)
    await asyncio.gather(*(bench.submit(write) for write in writes))
    for batch in bench.sent:
        assert [write.key for write in batch] == sorted(write.key for write in batch)


def _negative(bench: Bench) -> Write:
    return bench.write(value=-1)


def _nowhere(bench: Bench) -> Write:
    return bench.write(shard=9)


def _not_text(bench: Bench) -> Write:
    return bench.write(note="\ud800")


def _nul(bench: Bench) -> Write:
    return bench.write(note="a\x00b")


def _too_large(bench: Bench) -> Write:
    return bench.write(value=1 << 40)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (_negative, asyncpg.CheckViolationError),
        (_nowhere, asyncpg.CheckViolationError),
        (_not_text, asyncpg.DataError),
        (_nul, asyncpg.CharacterNotInRepertoireError),
        (_too_large, asyncpg.DataError),
    ],
)
async def test_one_bad_row_fails_alone(
    bench: Bench, bad: Callable[[Bench], Write], error: type[Exception]
) -> None:
    bad_ones = [bad(bench) for _ in range(3)]
    good = bench.writes(97)
    writes = [*good, *bad_ones]
    Random(3).shuffle(writes)
    results = await asyncio.gather(*(bench.submit(write) for write in writes), return_exceptions=True)
    for write, result in zip(writes, results, strict=True):
        if write in bad_ones:
            assert isinstance(result, error), result
            assert is_missing_partition(result) == (bad is _nowhere)
        else:
            assert result == await bench.number(write)
    assert await bench.counts(writes) == {write.token: 1 for write in good}
    assert bench.connections_made <= group_commit.LANES, "a bad row is no reason to connect again"


async def test_a_bug_in_one_operation_is_told_to_its_caller_alone_and_the_lane_goes_on(bench: Bench) -> None:
    bad, *good = bench.writes(10, lane=0)
    bench.bug_at.add(bad.token)
    results = await asyncio.gather(*(bench.submit(write) for write in (bad, *good)), return_exceptions=True)
    assert isinstance(results[0], ZeroDivisionError)
    assert all(isinstance(result, int) for result in results[1:])
    await bench.submit(bench.writes(1, lane=0)[0])


async def test_what_the_database_rolled_back_by_itself_is_sent_again(bench: Bench) -> None:
    unlucky = bench.write(value=40_001)  # its first two statements end with a serialization failure
    writes = [unlucky, *bench.writes(20, lane=bench.lane(unlucky))]
    await asyncio.gather(*(bench.submit(write) for write in writes))
    assert await bench.counts(writes) == {write.token: 1 for write in writes}
    assert len(bench.sent) == 3


async def test_what_is_rolled_back_every_time_is_given_up_after_some_tries(bench: Bench) -> None:
    unlucky = bench.write(value=40_002)
    with pytest.raises(Unavailable) as unavailable:
        await bench.submit(unlucky)
    assert unavailable.value.code == "database_unavailable"
    assert len(bench.sent) == group_commit.TRIES_MAX
    assert await bench.counts([unlucky]) == {}


async def test_a_caller_that_gives_up_before_the_send_is_never_written(bench: Bench) -> None:
    first, late, cancelled, last = bench.writes(4, lane=0)
    async with bench.gate_closed():
        holding = bench.start(first)
        await bench.until_waiting(1)
        waiting = bench.start(cancelled)
        with pytest.raises(Unavailable) as unavailable:
            await bench.submit(late, within_s=SOON_S)
        assert unavailable.value.code == "database_busy"
        waiting.cancel()
        await asyncio.wait([waiting])
    await holding
    await bench.submit(last)
    assert await bench.counts([first, late, cancelled, last]) == {first.token: 1, last.token: 1}


async def test_a_write_whose_caller_goes_away_in_mid_commit_is_whole(bench: Bench) -> None:
    writes = bench.writes(10, lane=0)
    async with bench.gate_closed():
        tasks = [bench.start(write) for write in writes]
        await bench.until_waiting(1)
        tasks[4].cancel()
        await asyncio.wait([tasks[4]])
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[4], asyncio.CancelledError)
    assert await bench.counts(writes) == {write.token: 1 for write in writes}
    assert len(await bench.commits()) == 1


async def test_a_caller_whose_time_is_up_in_mid_commit_hears_that_the_outcome_is_unknown(
    bench: Bench,
) -> None:
    one, other = bench.writes(2, lane=0)
    async with bench.gate_closed():
        tasks = [bench.start(one, within_s=1), bench.start(other)]
        await bench.until_waiting(1)
        with pytest.raises(Unavailable) as unavailable:
            await tasks[0]
        assert unavailable.value.code == "outcome_unknown"
    await tasks[1]
    assert await bench.counts([one, other]) == {one.token: 1, other.token: 1}


async def test_who_gives_up_while_the_bad_one_is_looked_for_is_not_sent_again(bench: Bench) -> None:
    bad = bench.write(key=-1000, value=-1)
    late = bench.write(key=1 << 40)
    lane = bench.lane(late)
    while bench.lane(bad) != lane:
        bad = bad._replace(key=bad.key - 1)
    (good,) = bench.writes(1, lane=lane)
    bench.close_gate_after = 1
    tasks = [bench.start(write) for write in (bad, good, late)]
    await bench.until_waiting(1)
    tasks[2].cancel()
    await asyncio.wait([tasks[2]])
    await bench.open_gate()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [
        asyncpg.CheckViolationError, int, asyncio.CancelledError,
    ]  # fmt: skip
    assert await bench.counts([bad, good, late]) == {good.token: 1}


async def test_more_than_the_limit_is_refused_at_once_and_those_who_wait_are_served(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "WAITING_MAX", 10)
    first, *rest = bench.writes(11, lane=0)
    too_many = bench.writes(1, lane=0)[0]
    async with bench.gate_closed():
        tasks = [bench.start(first)]
        await bench.until_waiting(1)
        tasks += [bench.start(write) for write in rest]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as unavailable:
            await bench.submit(too_many)
        assert unavailable.value.code == "overloaded"
    await asyncio.gather(*tasks)
    assert await bench.counts([first, *rest, too_many]) == {w.token: 1 for w in (first, *rest)}


async def test_closing_finishes_what_waits_and_refuses_what_comes(bench: Bench) -> None:
    writes = bench.writes(20)
    async with bench.gate_closed():
        tasks = [bench.start(write) for write in writes]
        await bench.until_waiting(2)
        closing = asyncio.create_task(bench.group.close())
        for _ in range(3):  # each lane closes in a task of its own
            await asyncio.sleep(0)
        with pytest.raises(Unavailable) as unavailable:
            await bench.submit(bench.write())
        assert unavailable.value.code == "shutting_down"
    await asyncio.gather(*tasks, closing)
    assert await bench.counts(writes) == {write.token: 1 for write in writes}


async def test_two_processes_writing_the_same_rows_never_deadlock(commits: Node) -> None:
    """Batches are sorted by key, so whoever comes second waits and nobody is turned away."""
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"

    async def locking(connection: Any, batch: Sequence[int]) -> list[int]:
        await connection.fetch(
            "INSERT INTO counters SELECT * FROM unnest($1::bigint[])"
            " ON CONFLICT (key) DO UPDATE SET hits = counters.hits + 1",
            list(batch),
        )
        return list(batch)

    async def settle(_: Any, batch: Sequence[int]) -> list[None]:
        raise AssertionError(f"no connection was lost: {batch}")

    groups = [group_commit.GroupCommit(commits, locking, settle, key=lambda key: (key, 0)) for _ in range(2)]
    before = await commits.fetchrow(deadlocks)
    for seed in range(10):
        keys = list(range(60))
        Random(seed).shuffle(keys)
        await asyncio.gather(*(group.submit(key, LONG_S) for group in groups for key in keys))
    for group in groups:
        await group.close()
    row = await commits.fetchrow("SELECT min(hits), max(hits) FROM counters WHERE key < 60")
    assert row is not None and (row["min"], row["max"]) == (20, 20)
    assert await commits.fetchrow(deadlocks) == before
