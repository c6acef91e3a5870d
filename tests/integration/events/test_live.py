"""The live feed: from now on, only what was asked for, and nobody is held up by a slow watcher."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest

from log_bench import append, log_node, read_until, terminate, transaction, until
from tcp_proxy import TcpProxy
from tiffin.events import live as feeds
from tiffin.events import waiting
from tiffin.events.live import LiveFeed
from tiffin.rpc import contracts as c
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

HANGING_S = 60.0


@pytest.fixture
async def feed(log: Node) -> AsyncIterator[LiveFeed]:
    feed = LiveFeed([log])
    yield feed
    await feed.close()


async def take(events: AsyncIterator[c.OrderEvent], number: int) -> list[str]:
    """The order ids of the next so many events; fewer if the stream ends."""
    found: list[str] = []
    async with asyncio.timeout(HANGING_S):
        while len(found) < number:
            try:
                found.append((await anext(events)).order_id)
            except StopAsyncIteration:
                break
    return found


async def test_a_watcher_of_an_order_sees_that_order_alone(log: Node, feed: LiveFeed) -> None:
    async with feed.subscribe(order_id="2") as events:
        await append(log, "1", "2", "3", "2")
        await append(log, "22", "2")
        assert await take(events, 3) == ["2", "2", "2"]


async def test_a_watcher_of_a_restaurant_sees_its_orders_alone(log: Node, feed: LiveFeed) -> None:
    async with feed.subscribe(restaurant_id="mine") as mine, feed.subscribe() as all_of_them:
        await append(log, "1", restaurant_id="mine")
        await append(log, "2", restaurant_id="theirs")
        await append(log, "3", restaurant_id="mine")
        assert await take(mine, 2) == ["1", "3"]
        assert await take(all_of_them, 3) == ["1", "2", "3"]


async def test_payments_are_not_orders(log: Node, feed: LiveFeed) -> None:
    async with feed.subscribe() as events:
        await log.execute(
            "INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)"
            " VALUES ('customer', 0, 'payment', 'p', 1, 'payment.captured', '{}', now(), '')"
        )
        await append(log, "1")
        assert await take(events, 1) == ["1"]


async def test_what_happened_before_is_not_told_and_what_commits_after_is(log: Node, feed: LiveFeed) -> None:
    await append(log, "before")
    await read_until(log, 1)
    async with transaction(log) as slow:
        await append(slow, "under way")
        async with feed.subscribe() as events:
            await slow.execute("COMMIT")
            await append(log, "after")
            assert await take(events, 2) == ["under way", "after"]


async def test_a_notification_wakes_the_feed(
    log: Node, feed: LiveFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single one may come too early, while an older transaction of another database still runs."""
    monkeypatch.setattr(waiting, "SOON_S", 3600.0)
    async with feed.subscribe() as events:
        taking = asyncio.create_task(take(events, 1))
        while not taking.done():
            await append(log, "1")
            await asyncio.sleep(0.01)
        assert await taking == ["1"]


async def test_a_watcher_that_is_too_slow_is_let_go_without_a_gap_and_the_others_go_on(
    log: Node, feed: LiveFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets what it can have without missing any, then its stream ends: it knows where to go on."""
    monkeypatch.setattr(feeds, "WATCHER_QUEUE_MAX", 5)
    async with feed.subscribe() as slow, feed.subscribe() as quick:
        for number in range(9):
            await append(log, str(number))
            assert await take(quick, 1) == [str(number)]
        assert await take(slow, 100) == ["0", "1", "2", "3", "4"]
        await append(log, "9")
        assert await take(quick, 1) == ["9"]


async def test_streams_end_when_their_node_is_lost_and_new_ones_work(log: Node, feed: LiveFeed) -> None:
    for number in range(3):
        async with feed.subscribe() as events:
            await append(log, str(number))
            assert await take(events, 1) == [str(number)]
            await terminate(log, await followers(log))
            assert await take(events, 1) == []


async def followers(log: Node) -> list[int]:
    rows = await log.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND query LIKE '%pg_snapshot_xmin(pg_current_snapshot())%'"
    )
    return [row["pid"] for row in rows]


async def test_who_subscribes_while_a_node_is_away_is_not_left_without_what_happened_meanwhile(
    server: EmbeddedServer,
) -> None:
    async with log_node(server) as log, TcpProxy.before(log.url) as proxy:
        node = await Node.open("log", proxy.url, readers_max=1)
        feed = LiveFeed([node])
        async with feed.subscribe() as events:
            await proxy.close()
            assert await take(events, 1) == []
            async with feed.subscribe() as late:
                await append(log, "missed")
                await proxy.open()
                assert await take(late, 1) in (["missed"], [])
            async with feed.subscribe() as back:
                await append(log, "seen")
                assert "seen" in await take(back, 1)
        await feed.close()
        await node.close()


async def test_an_event_that_cannot_be_read_ends_the_streams_and_not_the_feed(
    log: Node, feed: LiveFeed
) -> None:
    async with feed.subscribe() as events:
        await log.execute(
            "INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)"
            " VALUES ('customer', 0, 'order', '1', 1, 'order.placed', 'no json', now(), '')"
        )
        assert await take(events, 1) == []
    async with feed.subscribe() as events:
        await append(log, "1")
        assert await take(events, 1) == ["1"]


async def test_closing_ends_every_stream(log: Node, feed: LiveFeed) -> None:
    async with feed.subscribe() as one, feed.subscribe(order_id="1") as other:
        await feed.close()
        assert await take(one, 1) == await take(other, 1) == []


async def test_nobody_is_followed_when_nobody_watches(log: Node, feed: LiveFeed) -> None:
    assert not _following(log)
    async with feed.subscribe():
        async with feed.subscribe():
            assert len(_following(log)) == 1
        assert len(_following(log)) == 1
    await until(lambda: not _following(log))


def _following(log: Node) -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == f"live {log.name}"]


async def test_many_watchers_coming_and_going_each_get_what_happens_while_they_watch(
    log: Node, feed: LiveFeed
) -> None:
    numbers = count()

    async def watch() -> None:
        mine = f"order-{next(numbers)}"
        async with feed.subscribe(order_id=mine) as events:
            await append(log, mine)
            assert await take(events, 1) == [mine]

    for _ in range(10):
        await asyncio.gather(*(watch() for _ in range(8)))
