"""Live: order events as they happen, for whoever watches. From now on only; nothing is kept."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import structlog

from tiffin.events.event import Event
from tiffin.events.reader import CHANNEL, after, end, read
from tiffin.events.waiting import Waiting
from tiffin.primitives.errors import Unavailable
from tiffin.rpc.contracts import OrderEvent
from tiffin.storage.node import CONNECTION_LOST, STATEMENT_TIMEOUT_S, Connection, Node

WATCHER_QUEUE_MAX = 1000
PAUSE_S = 0.2

_log = structlog.get_logger()
_decoder = msgspec.json.Decoder(OrderEvent)


class _Watcher:
    def __init__(self, order_id: str | None, restaurant_id: str | None) -> None:
        self.order_id = order_id
        self.restaurant_id = restaurant_id
        self.queue: asyncio.Queue[OrderEvent | None] = asyncio.Queue()

    def offer(self, event: OrderEvent) -> bool:
        """False if the watcher is too slow to be kept."""
        if self.order_id not in (None, event.order_id) or self.restaurant_id not in (
            None,
            event.restaurant_id,
        ):
            return True
        if self.queue.qsize() >= WATCHER_QUEUE_MAX:
            return False
        self.queue.put_nowait(event)
        return True


class LiveFeed:
    """Follows every node's log while somebody watches.

    A watcher that falls `WATCHER_QUEUE_MAX` events behind, or whose node was lost, is let go: its stream
    ends, and the client comes back with the last version it saw.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._watchers: set[_Watcher] = set()
        self._followers: dict[Node, asyncio.Task[None]] = {}
        self._following: dict[Node, asyncio.Event] = {}

    @asynccontextmanager
    async def subscribe(
        self, *, order_id: str | None = None, restaurant_id: str | None = None
    ) -> AsyncGenerator[AsyncIterator[OrderEvent]]:
        """The events of one order or one restaurant committed after this has been entered."""
        watcher = _Watcher(order_id, restaurant_id)
        self._watchers.add(watcher)
        try:
            await self._follow()
            yield _events(watcher)
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                await self._stop(list(self._followers))

    async def take(self, nodes: Sequence[Node]) -> None:
        """From now on follow these nodes."""
        self._nodes = nodes
        await self._stop([node for node in self._followers if node not in nodes])
        if self._watchers:
            self._begin()

    async def close(self) -> None:
        """End every stream."""
        self._let_go(list(self._watchers))
        await self._stop(list(self._followers))

    async def _follow(self) -> None:
        self._begin()
        for ready in list(self._following.values()):
            await ready.wait()

    def _begin(self) -> None:
        for node in self._nodes:
            if node not in self._followers:
                ready = self._following[node] = asyncio.Event()
                self._followers[node] = asyncio.create_task(
                    self._follow_node(node, ready), name=f"live {node.name}"
                )

    async def _stop(self, nodes: Sequence[Node]) -> None:
        followers = [self._followers.pop(node) for node in nodes]
        for node in nodes:
            self._following.pop(node).set()
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)

    async def _follow_node(self, node: Node, ready: asyncio.Event) -> None:
        waiting = Waiting()
        while True:
            connection: Connection | None = None
            try:
                connection = await node.connect(STATEMENT_TIMEOUT_S)
                await connection.add_listener(CHANNEL, waiting.notified)
                cursor = await end(connection)
                if ready.is_set():  # who came during an interruption has missed what happened in it
                    self._let_go(list(self._watchers))
                ready.set()
                while True:
                    if events := await read(connection, cursor):
                        waiting.found()
                        self._publish(events)
                        cursor = after(events[-1])
                    else:
                        await waiting.wait()
            except (Unavailable, *CONNECTION_LOST) as error:
                _log.warning("live_feed_interrupted", node=node.name, error=repr(error))
            except Exception:
                _log.exception("live_feed_failed", node=node.name)
            finally:
                if connection is not None:
                    connection.terminate()
            ready.set()
            self._let_go(list(self._watchers))
            await asyncio.sleep(PAUSE_S)

    def _publish(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.stream == "order":
                happened = _decoder.decode(event.data)
                self._let_go([watcher for watcher in self._watchers if not watcher.offer(happened)])

    def _let_go(self, watchers: Sequence[_Watcher]) -> None:
        for watcher in watchers:
            self._watchers.discard(watcher)
            watcher.queue.put_nowait(None)


async def _events(watcher: _Watcher) -> AsyncIterator[OrderEvent]:
    while (event := await watcher.queue.get()) is not None:
        yield event
