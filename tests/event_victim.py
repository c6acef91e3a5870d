"""A process whose children consume the log and kill themselves: `python event_victim.py URL CONSUMER`.

For every line on its standard input, a number to draw from, it forks a child, and says how that ended. The
child of a negative number lives until nothing is left. Children have everything loaded already: thousands of
them are affordable.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import NoReturn

import structlog

from event_effects import Effects
from tiffin.events import delivery, runner
from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.runner import ConsumerRunner, backlog
from tiffin.storage.node import Connection, Node

BATCH_MAX = 2
CALLS_MAX = 2
PLACES = ("before", "between mark and effect", "before the commit of both", "between effect and cursor")
FINISHED = "finished"


class DyingEffects(Effects):
    """Dies at a place of one of its first calls."""

    def __init__(self, node: Node, name: str, number: int) -> None:
        super().__init__(node, name)
        random = Random(number)
        self._calls_left = random.randint(1, CALLS_MAX) if number >= 0 else 0
        self._place = random.choice(PLACES)

    async def handle(self, events: Sequence[Event]) -> None:
        self._calls_left -= 1
        self._die_at("before")
        await super().handle(events)
        self._die_at("between effect and cursor")

    async def note(self, connection: Connection, events: Sequence[Event]) -> None:
        self._die_at("between mark and effect")
        await super().note(connection, events)
        self._die_at("before the commit of both")

    def _die_at(self, place: str) -> None:
        if self._calls_left == 0 and place == self._place:
            os.kill(os.getpid(), signal.SIGKILL)


async def consume(url: str, name: str, number: int) -> None:
    """Until nothing is left, or until dead."""
    node = await Node.open("victim", url, readers_max=2)
    effects = DyingEffects(node, name, number)
    consumer = Consumer(name, effects.handle, batch_max=BATCH_MAX)
    task = asyncio.create_task(ConsumerRunner(consumer, node, lambda: datetime.now(UTC)).run())
    while await backlog(node, name):
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task])
    await node.close()


def child(url: str, name: str, number: int) -> NoReturn:
    runner.STAND_IN_S = 0.005
    delivery.RETRY_S = 0.001
    asyncio.run(consume(url, name, number))
    os._exit(0)


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    _, url, name = sys.argv
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(url, name, int(line))
        _, status = os.waitpid(pid, 0)
        print("killed" if os.WIFSIGNALED(status) else FINISHED if status == 0 else "failed", flush=True)


if __name__ == "__main__":
    main()
