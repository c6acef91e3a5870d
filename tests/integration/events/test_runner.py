"""Consumers of the log: at least once, in order, one leader, across every way a process can end."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from event_transports import kill
from log_bench import append, leaders, terminate, transaction, until
from manual_clock import ManualClock
from tcp_proxy import TcpProxy
from tiffin.events import runner, waiting
from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.gathering import NOBODY_WAITS_S
from tiffin.events.runner import ConsumerRunner, backlog
from tiffin.storage.node import Node

HANGING_S = 60.0
NEVER_S = 3600.0


class Handler:
    """Remembers what it was given; `before` and `trouble` are what a test wants to happen."""

    def __init__(self, name: str = "test.consumer", types: frozenset[str] | None = None) -> None:
        self.consumer = Consumer(name, self.handle, types=types)
        self.batches: list[list[str]] = []
        self.fails: dict[tuple[str, int], int] = {}
        self.done: list[tuple[str, int]] = []
        self.trouble: list[Callable[[], object]] = []
        self.came = asyncio.Event()

    @property
    def keys(self) -> list[str]:
        return [key for batch in self.batches for key in batch]

    async def handle(self, events: Sequence[Event]) -> None:
        self.batches.append([event.key for event in events])
        self.came.set()
        if self.trouble:
            result = self.trouble.pop(0)()
            if asyncio.iscoroutine(result):
                await result
        ids = [(event.key, event.version) for event in events]
        for id_ in ids:
            if self.fails.get(id_):
                self.fails[id_] -= 1
                fail()
        self.done += ids

    async def until(self, number: int) -> None:
        """Wait until it was given so many events."""
        while len(self.keys) < number:
            self.came.clear()
            await self.came.wait()


@asynccontextmanager
async def running(handler: Handler, node: Node, clock: ManualClock) -> AsyncGenerator[asyncio.Task[None]]:
    """A runner at work; leaving is the end of its process."""
    task = asyncio.create_task(ConsumerRunner(handler.consumer, node, clock).run())
    try:
        async with asyncio.timeout(HANGING_S):
            yield task
    finally:
        await kill(task)


def fail() -> None:
    raise RuntimeError("the handler fails")


async def cursor_moved(log: Node, handler: Handler) -> None:
    """Wait until nothing is left unhandled."""
    while await backlog(log, handler.consumer.name):
        await asyncio.sleep(0.002)


async def test_a_consumer_gets_every_event_in_order_once_if_nothing_fails(
    log: Node, clock: ManualClock
) -> None:
    handler = Handler()
    await append(log, "1", "2")
    async with running(handler, log, clock):
        await handler.until(2)
        for number in range(3, 30):
            await append(log, str(number))
        await handler.until(29)
        await cursor_moved(log, handler)
    assert handler.keys == [str(number) for number in range(1, 30)]


async def test_a_notification_wakes_a_reader(
    log: Node, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single one may come too early, while an older transaction of another database still runs."""
    monkeypatch.setattr(waiting, "SOON_S", NEVER_S)
    monkeypatch.setattr(waiting, "POLL_S", NEVER_S)
    handler = Handler()
    async with running(handler, log, clock):
        for _ in range(2):
            seen = len(handler.keys)
            while len(handler.keys) == seen:
                await append(log, "again")
                await asyncio.sleep(0.01)


async def test_a_reader_looks_by_itself_for_what_an_older_transaction_has_held_back(
    log: Node, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notification came while the event could not be read, and the transaction's end notifies nobody."""
    monkeypatch.setattr(waiting, "POLL_S", 0.05)
    handler = Handler()
    async with running(handler, log, clock):
        async with transaction(log) as slow:
            await append(log, "held back")
            await asyncio.sleep(0.02)
            assert handler.keys == []
            await slow.execute("COMMIT")
        await handler.until(1)


async def test_events_whose_handler_fails_come_again_and_none_of_their_key_overtakes_them(
    log: Node, clock: ManualClock
) -> None:
    handler = Handler()
    handler.fails = {("1", 1): 4}
    await append(log, "1", "2")
    await append(log, "3")
    await append(log, "1", version=2)
    async with running(handler, log, clock):
        await cursor_moved(log, handler)
    assert sorted(handler.done) == [("1", 1), ("1", 2), ("2", 1), ("3", 1)]
    assert handler.done.index(("1", 1)) < handler.done.index(("1", 2))


async def test_a_crash_between_the_effect_and_the_mark_brings_the_batch_again(
    log: Node, clock: ManualClock
) -> None:
    handler = Handler()

    async def lose_connection() -> None:
        await terminate(log, await leaders(log))

    handler.trouble = [lose_connection]
    await append(log, "1", "2")
    async with running(handler, log, clock):
        await handler.until(4)
        await cursor_moved(log, handler)
    assert handler.batches == [["1", "2"], ["1", "2"]]


async def test_a_process_that_dies_in_the_handler_leaves_its_batch_to_the_next(
    log: Node, clock: ManualClock
) -> None:
    dying, next_one = Handler(), Handler()
    dying.trouble = [lambda: asyncio.sleep(NEVER_S)]
    await append(log, "1", "2")
    async with running(dying, log, clock):
        await dying.until(2)
    await append(log, "3")
    async with running(next_one, log, clock):
        await next_one.until(3)
    assert next_one.keys == ["1", "2", "3"]


async def test_a_consumer_resumes_behind_what_it_has_marked(log: Node, clock: ManualClock) -> None:
    for round_ in range(3):
        handler = Handler()
        await append(log, f"{round_}")
        async with running(handler, log, clock):
            await handler.until(1)
            await cursor_moved(log, handler)
        assert handler.keys == [f"{round_}"]


async def test_consumers_of_different_names_each_get_everything(log: Node, clock: ManualClock) -> None:
    one, other = Handler("test.one"), Handler("test.other")
    async with running(one, log, clock), running(other, log, clock):
        await append(log, "1", "2")
        await one.until(2)
        await other.until(2)
    assert one.keys == other.keys == ["1", "2"]


async def test_a_consumer_of_some_types_gets_those_in_order_and_passes_all_others(
    log: Node, clock: ManualClock
) -> None:
    handler = Handler(types=frozenset(("order.placed", "order.paid")))
    for number, type_ in enumerate(
        ("placed", "accepted", "paid", "accepted", "accepted", "placed", "accepted")
    ):
        await append(log, str(number), type_=f"order.{type_}")
    async with running(handler, log, clock):
        await cursor_moved(log, handler)
        assert handler.keys == ["0", "2", "5"]
        await append(log, "9", type_="order.accepted")
        await append(log, "10", type_="order.paid")
        await cursor_moved(log, handler)
    assert handler.keys == ["0", "2", "5", "10"]


async def test_events_of_types_a_consumer_does_not_want_are_not_kept_for_it(
    log: Node, clock: ManualClock
) -> None:
    handler = Handler(types=frozenset(("order.placed",)))
    await append(log, "1", "2")
    async with running(handler, log, clock):
        await cursor_moved(log, handler)
    assert handler.batches == []


async def test_events_of_wanted_types_come_again_if_their_handler_fails_and_none_is_passed(
    log: Node, clock: ManualClock
) -> None:
    handler = Handler(types=frozenset(("order.placed",)))
    handler.trouble = [fail]
    await append(log, "1", type_="order.placed")
    await append(log, "2")
    async with running(handler, log, clock):
        await cursor_moved(log, handler)
    assert handler.batches == [["1"], ["1"]]


async def test_a_consumer_that_is_never_woken_looks_by_itself(log: Node, clock: ManualClock) -> None:
    handler = Handler()
    handler.consumer = replace(handler.consumer, gather_s=NOBODY_WAITS_S)
    assert not handler.consumer.listens
    async with running(handler, log, clock):
        await append(log, "1")
        await handler.until(1)


async def test_of_two_runners_one_leads_and_the_other_takes_over_when_the_first_is_gone(
    log: Node, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "STAND_IN_S", 0.02)
    first, second = Handler(), Handler()
    async with running(second, log, clock), TcpProxy.before(log.url) as proxy:
        await terminate(log, await leaders(log))
        away = await Node.open("first", proxy.url, readers_max=1)
        async with running(first, away, clock):
            for number in range(100):
                await append(log, str(number))
                await until(lambda n=number: str(n) in (*first.keys, *second.keys))
                assert len(await leaders(log)) == 1
                if first.keys:
                    break
                await terminate(log, await leaders(log))
            before = len(second.keys)
            await proxy.close()
            await append(log, "after")
            await until(lambda: "after" in second.keys)
        await away.close()
    assert len(second.keys) > before
    assert set(first.keys) | set(second.keys) >= {str(number) for number in range(number + 1)}


async def test_a_server_that_falls_silent_does_not_stop_a_consumer_for_good(
    log: Node, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "STATEMENT_TIMEOUT_S", 0.2)
    monkeypatch.setattr(runner, "STAND_IN_S", 0.02)
    handler = Handler()
    async with TcpProxy.before(log.url) as proxy:
        node = await Node.open("log", proxy.url, readers_max=1)
        async with running(handler, node, clock):
            await append(log, "1")
            await handler.until(1)
            proxy.swallow_replies = True
            connections = proxy.accepted
            await append(log, "2")
            await until(lambda: proxy.accepted > connections)
            proxy.swallow_replies = False
            await terminate(log, await leaders(log))  # what a dead peer's keep-alive would do in the end
            await until(lambda: "2" in handler.keys)
        await node.close()


async def test_the_backlog_is_what_is_not_handled_yet(log: Node, clock: ManualClock) -> None:
    await append(log, "1", "2", "3")
    assert await backlog(log, "test.consumer") == 3
    handler = Handler()
    async with running(handler, log, clock):
        await handler.until(3)
        await cursor_moved(log, handler)
    await append(log, "4")
    assert await backlog(log, "test.consumer") == 1


def behind_s(handler: Handler, log: Node) -> float:
    """What the metric says of a consumer."""
    labels = {"consumer": handler.consumer.name, "node": log.name}
    value = REGISTRY.get_sample_value("tiffin_consumer_behind_seconds", labels)
    assert value is not None
    return value


@pytest.fixture
def a_minute_later(clock: ManualClock) -> ManualClock:
    """A clock that sees what is appended now as old; the log's moments are the database's."""
    clock.set(datetime.now(UTC) + timedelta(seconds=90))
    return clock


async def test_events_held_back_by_an_open_transaction_are_not_handled_and_the_metric_says_so(
    log: Node, a_minute_later: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MEASURE_INTERVAL_S", 0.0)
    monkeypatch.setattr(waiting, "POLL_S", 0.05)
    handler = Handler()
    async with running(handler, log, a_minute_later):
        async with transaction(log) as slow:
            await append(log, "held back")
            await until(lambda: behind_s(handler, log) >= 60)
            assert handler.keys == []
            await slow.execute("COMMIT")
        await handler.until(1)
        await until(lambda: behind_s(handler, log) == 0)


async def test_a_handler_that_fails_or_hangs_is_behind(log: Node, a_minute_later: ManualClock) -> None:
    handler = Handler()
    handler.trouble = [fail, lambda: asyncio.sleep(NEVER_S)]
    await append(log, "1")
    async with running(handler, log, a_minute_later):
        await handler.until(1)
        assert behind_s(handler, log) >= 60
        await handler.until(2)
        assert behind_s(handler, log) >= 60
        a_minute_later.advance(600)
        assert behind_s(handler, log) >= 660


async def test_who_only_stands_by_is_not_behind(
    log: Node, a_minute_later: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "STAND_IN_S", 0.02)
    first, second = Handler(), Handler()
    first.trouble = [lambda: asyncio.sleep(NEVER_S)]
    second.trouble = [fail, lambda: asyncio.sleep(NEVER_S)]
    await append(log, "1")
    async with running(first, log, a_minute_later):
        await first.until(1)
        async with running(second, log, a_minute_later):  # the metric's last runner of this name
            assert behind_s(second, log) == 0
            await terminate(log, await leaders(log))
            await until(lambda: len(first.keys) + len(second.keys) > 1)
