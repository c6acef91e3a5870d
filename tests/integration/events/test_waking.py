"""Readers are woken beside the commit: soon, by every process that appends, and never at a writer's cost."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tiffin.events.reader import CHANNEL
from tiffin.events.waking import Waker
from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import Connection, Node

WITHIN_S = 60


class Heard:
    """The wake-ups that arrive on a node."""

    def __init__(self) -> None:
        self._wakes: asyncio.Queue[tuple[int, object]] = asyncio.Queue()

    def hear(self, _connection: object, process: int, _channel: str, payload: object) -> None:
        self._wakes.put_nowait((process, payload))

    async def next(self) -> tuple[int, object]:
        """The server process that sent the next one, and what it said."""
        async with asyncio.timeout(WITHIN_S):
            return await self._wakes.get()


@pytest.fixture
async def heard(node: Node) -> AsyncIterator[Heard]:
    heard = Heard()
    connection = await node.connect()
    await connection.add_listener(CHANNEL, heard.hear)
    yield heard
    await connection.close()


@pytest.fixture
async def writer(node: Node) -> AsyncIterator[Connection]:
    connection = await node.connect()
    yield connection
    await connection.close()


async def append(connection: Connection, extra: str = "") -> None:
    await connection.execute(
        "INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace) "
        f"SELECT 'customer', 1, 'waking', 'w', 1, 'w', '{{}}', now(), ''{extra}"
    )


async def own_wakes(heard: Heard, connection: Connection) -> int:
    """How many wake-ups this connection has sent; others append beside it."""
    await connection.execute("SELECT pg_notify($1, 'end')", CHANNEL)
    mine = connection.get_server_pid()
    sent = 0
    while (wake := await heard.next()) != (mine, "end"):
        sent += wake[0] == mine
    return sent


async def test_an_appending_statement_wakes_the_readers_with_its_commit(
    heard: Heard, writer: Connection
) -> None:
    await append(writer)
    assert await own_wakes(heard, writer) == 1


async def test_a_statement_that_leaves_it_to_its_process_sends_no_wake_up_and_the_next_one_does_again(
    heard: Heard, writer: Connection
) -> None:
    await append(writer, " FROM set_config('tiffin.wake_readers', 'later', true)")
    assert await own_wakes(heard, writer) == 0
    await append(writer)
    assert await own_wakes(heard, writer) == 1


async def test_a_waker_wakes_at_once_and_again_for_what_came_meanwhile(node: Node) -> None:
    wakes: list[str] = []
    waker = Waker(_Recording(node, wakes), lambda: 1)
    waker.wake()
    await _until(lambda: len(wakes) == 1)
    for _ in range(100):
        waker.wake()
    await waker.close()
    assert len(wakes) == 2


async def test_a_database_that_is_away_costs_a_wake_up_and_nothing_else(node: Node) -> None:
    wakes: list[str] = []
    recording = _Recording(node, wakes, fails=1)
    waker = Waker(recording, lambda: 1)
    waker.wake()
    await waker.close()
    waker.wake()
    await waker.close()
    assert len(wakes) == 1


class _Recording(Node):
    """A real node whose statements are counted, and of which the first few find no server."""

    def __init__(self, node: Node, wakes: list[str], fails: int = 0) -> None:
        super().__init__(node.name, node.url, node._pool)  # pyright: ignore[reportPrivateUsage]
        self._wakes = wakes
        self._fails = fails

    async def execute(self, query: str, *arguments: object) -> str:
        if self._fails:
            self._fails -= 1
            raise Unavailable("database_unavailable", "away")
        answer = await super().execute(query, *arguments)
        self._wakes.append(query)
        return answer


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not reached():
            await asyncio.sleep(0)
