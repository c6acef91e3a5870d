"""What an operator sees of consumers and dead letters, and where they can set a consumer."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from event_effects import Effects, append_ids, consumer_of, eventually, order_ids
from event_transports import LogTransport, Running
from log_bench import append, make_old_day, read_until, today, transaction
from manual_clock import ManualClock
from tiffin.events import delivery, runner, triage
from tiffin.events.consumer import Consumer
from tiffin.events.dead_letters import DeadLetters, failed
from tiffin.events.event import Event
from tiffin.events.triage import Standing, TooOld, Which
from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import Node

ALL = ("dead", "parked", "replaying", "replayed", "discarded")


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_S", 0.001)
    monkeypatch.setattr(delivery, "TEND_INTERVAL_S", 0.02)
    monkeypatch.setattr(runner, "MEASURE_INTERVAL_S", 0.0)


class Taken:
    """A consumer that keeps in mind what it was given."""

    def __init__(self, name: str = "test.taken") -> None:
        self.consumer = Consumer(name, self.handle)
        self.keys: list[str] = []

    async def handle(self, events: Sequence[Event]) -> None:
        self.keys += [event.key for event in events]


@asynccontextmanager
async def taking(log: Node, clock: ManualClock, taken: Taken) -> AsyncGenerator[Running]:
    """At work, and behind nothing."""
    transport = LogTransport(log, clock)
    async with transport.consuming(taken.consumer) as running:
        await eventually(lambda: transport.is_drained(taken.consumer))
        yield running


async def append_at(log: Node, key: str, at: datetime) -> None:
    await append(log, key)
    await log.execute("UPDATE log.events SET at = $2 WHERE key = $1", key, at)


async def moments(log: Node) -> list[datetime]:
    """Of three events, an hour apart, the last one an hour ago: `1`, `2`, `3`."""
    now = datetime.now(UTC)
    at = [now - timedelta(hours=hours) for hours in (3, 2, 1)]
    for number, moment in enumerate(at, 1):
        await append_at(log, str(number), moment)
    await read_until(log, 3)
    return at


async def test_a_consumer_starts_from_any_past_moment(log: Node, clock: ManualClock) -> None:
    at = await moments(log)
    for starts_at, expected in (
        (None, ["1", "2", "3"]), (at[0], ["1", "2", "3"]), (at[1], ["2", "3"]),
        (at[1] + timedelta(seconds=1), ["3"]), (at[2] + timedelta(seconds=1), []),
    ):  # fmt: skip
        taken = Taken(f"test.from_{starts_at}")
        taken.consumer = replace(taken.consumer, starts_at=starts_at)
        async with taking(log, clock, taken):
            assert taken.keys == expected


async def test_who_starts_from_now_misses_nothing_that_is_being_written(
    log: Node, clock: ManualClock
) -> None:
    taken = Taken()
    taken.consumer = replace(taken.consumer, starts_at=datetime.now(UTC) - timedelta(minutes=1))
    async with transaction(log) as slow:
        await append(slow, "slow")
        await append(log, "fast")
        async with LogTransport(log, clock).consuming(taken.consumer):
            await eventually(lambda: _is_known(log, taken))
            await slow.execute("COMMIT")
            await eventually(lambda: _has(taken, 2))
    assert taken.keys == ["slow", "fast"]


async def test_a_consumer_at_work_is_set_back_and_takes_everything_since_again(
    log: Node, clock: ManualClock
) -> None:
    at = await moments(log)
    taken = Taken()
    async with taking(log, clock, taken):
        assert await triage.set_cursor(log, "test.taken", at[1])
        await eventually(lambda: _has(taken, 5))
        await append(log, "4")
        await eventually(lambda: _has(taken, 6))
        assert await triage.set_cursor(log, "test.taken", None)
        await eventually(lambda: _has(taken, 10))
    assert taken.keys == ["1", "2", "3", "2", "3", "4", "1", "2", "3", "4"]


async def test_what_is_taken_again_has_its_effect_once(log: Node, clock: ManualClock) -> None:
    effects = Effects(log, "test.again")
    await effects.make()
    ids = order_ids(10, 3)
    await append_ids(log, ids)
    transport, consumer = LogTransport(log, clock), consumer_of(effects, "test.again")
    async with transport.consuming(consumer):
        await eventually(lambda: transport.is_drained(consumer))
        await triage.set_cursor(log, "test.again", None)
        assert not await transport.is_drained(consumer)
        await eventually(lambda: transport.is_drained(consumer))
    assert sorted(await effects.ids()) == sorted(ids)


async def test_a_consumer_that_is_set_back_in_the_midst_of_a_batch_does_not_undo_that(
    log: Node, clock: ManualClock
) -> None:
    reached, goes_on, keys = asyncio.Event(), asyncio.Event(), []

    async def handle(events: Sequence[Event]) -> None:
        reached.set()
        await goes_on.wait()
        keys.extend(event.key for event in events)

    await append(log, "1", "2")
    consumer = Consumer("test.midst", handle)
    transport = LogTransport(log, clock)
    async with transport.consuming(consumer), asyncio.timeout(60):
        await reached.wait()
        await triage.set_cursor(log, "test.midst", None)
        goes_on.set()
        await eventually(lambda: transport.is_drained(consumer))
    assert keys == ["1", "2", "1", "2"]


async def test_a_consumer_is_sent_to_the_end(log: Node, clock: ManualClock) -> None:
    await moments(log)
    taken = Taken()
    async with taking(log, clock, taken) as running:
        await running.stop()
    await append(log, "skipped")
    await read_until(log, 4)
    assert await triage.skip_to_end(log, "test.taken")
    await append(log, "4")
    async with taking(log, clock, taken):
        assert taken.keys == ["1", "2", "3", "4"]


async def test_the_log_goes_back_no_further_than_it_does_and_unknown_consumers_are_told(log: Node) -> None:
    await make_old_day(log, 9, "old")
    with pytest.raises(TooOld, match=str(today() - timedelta(days=9))):
        await triage.set_cursor(log, "test.nobody", datetime.now(UTC) - timedelta(days=20))
    assert not await triage.set_cursor(log, "test.nobody", datetime.now(UTC))
    assert not await triage.skip_to_end(log, "test.nobody")


async def test_letters_are_found_by_consumer_event_order_restaurant_reason_and_time(log: Node) -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    await append(log, "1", restaurant_id="noodles")
    await append(log, "2", restaurant_id="noodles")
    await append(log, "3", restaurant_id="pizza")
    events, _ = await read_until(log, 3)
    one, other = DeadLetters("test.one", log), DeadLetters("test.other", log)
    await one.bury([failed(events[0], ValueError("Too salty"), 5)], noon)
    await one.bury([failed(events[1], KeyError("sugar"), 5)], noon + timedelta(hours=1))
    await other.bury([failed(events[2], ValueError("too hot"), 5)], noon + timedelta(hours=2))

    async def found(**which: object) -> list[str]:
        browsed = await triage.browse(log, Which(**which), ("dead",), 10)  # type: ignore[arg-type]
        return [letter.event.key for letter in browsed]

    assert await found() == ["3", "2", "1"]
    assert await found(consumer="test.one") == ["2", "1"]
    assert await found(order_id=2) == ["2"]
    assert await found(event=("order", "3", 1)) == ["3"]
    assert await found(event=("order", "3", 2)) == []
    assert await found(restaurant_id="noodles") == ["2", "1"]
    assert await found(reason="TOO ") == ["3", "1"]
    assert await found(since=noon + timedelta(hours=1)) == ["3", "2"]
    assert await found(until=noon + timedelta(hours=1)) == ["1"]
    assert await found(consumer="test.one", reason="too", since=noon) == ["1"]
    assert len(await triage.browse(log, Which(), ("dead",), 2)) == 2
    assert await triage.replay(log, Which(restaurant_id="noodles", since=noon + timedelta(hours=1))) == 1
    assert await triage.discard(log, Which(reason="salty")) == 1
    states = {letter.event.key: letter.state for letter in await triage.browse(log, Which(), ALL, 10)}
    assert states == {"1": "discarded", "2": "replaying", "3": "dead"}


async def test_standings_tell_depth_age_lag_failures_and_dead_letters(log: Node, clock: ManualClock) -> None:
    clock.set(datetime.now(UTC) + timedelta(seconds=30))
    effects = Effects(log, "test.standing")
    await effects.make()
    effects.poison = {("2", 1)}
    consumer = consumer_of(effects, "test.standing", tries=2)
    transport = LogTransport(log, clock)
    await append_ids(log, order_ids(5, 1))

    async def has_told() -> bool:
        return [standing.handled for standing in await triage.standings(log)] == [5]

    async with transport.consuming(consumer) as running:
        await eventually(lambda: transport.is_drained(consumer))
        await eventually(has_told)
        (told,) = await triage.standings(log)
        await running.stop()
    assert (told.transport, told.depth, told.age_s, told.dead_letters) == ("log", 0, None, 1)
    assert told.failures is not None and told.failures >= 3
    assert told.lag_s is not None and told.lag_s >= 20
    assert told.trouble is None
    await append_ids(log, order_ids(3, 2)[3:])
    (behind,) = await triage.standings(log)
    assert (behind.depth, behind.consumer) == (3, "test.standing")
    assert behind.age_s is not None and behind.age_s >= 0


async def test_who_does_not_get_on_says_why_meanwhile(log: Node, clock: ManualClock) -> None:
    away, goes_on = Unavailable("service_unavailable", "the kitchen is away"), False

    async def handle(_: Sequence[Event]) -> None:
        if not goes_on:
            raise away

    async def troubles() -> list[str | None]:
        return [standing.trouble for standing in await triage.standings(log)]

    async def has_told() -> bool:
        return await troubles() == [repr(away)]

    async def is_over() -> bool:
        return await troubles() == [None]

    await append(log, "1")
    async with LogTransport(log, clock).consuming(Consumer("test.trouble", handle)):
        await eventually(has_told)
        goes_on = True
        await eventually(is_over)


async def test_gaps_and_repeats_are_counted(log: Node, clock: ManualClock) -> None:
    taken = Taken("test.gaps")
    await append_ids(log, [("1", 1), ("1", 4), ("1", 3), ("1", 3)])
    async with taking(log, clock, taken):
        await append_ids(log, [("1", 2), ("1", 1)])
        await eventually(lambda: _has(taken, 6))

    def counted(what: str) -> float | None:
        labels = {"consumer": "test.gaps", "node": log.name}
        return REGISTRY.get_sample_value(f"tiffin_consumer_{what}_total", labels)

    assert [counted(what) for what in ("gaps", "late", "repeats")] == [2, 2, 2]


async def test_who_stands_in_the_log_and_has_never_told_is_shown_all_the_same(log: Node) -> None:
    await log.execute(
        "INSERT INTO log.cursors (consumer, xid, position, day) VALUES ('test.silent', '0', 0, '1970-01-02')"
    )
    await append(log, "1")
    (silent,) = await triage.standings(log)
    assert isinstance(silent, Standing)
    assert (silent.consumer, silent.transport, silent.depth) == ("test.silent", None, 1)


async def _has(taken: Taken, number: int) -> bool:
    return len(taken.keys) >= number


async def _is_known(log: Node, taken: Taken) -> bool:
    row = await log.fetchrow("SELECT FROM log.cursors WHERE consumer = $1", taken.consumer.name)
    return row is not None
