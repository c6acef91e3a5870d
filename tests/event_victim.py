"""A process whose children consume events and kill themselves.

`python event_victim.py URL CONSUMER` by the log, `... BROKER_URL one|many` by RabbitMQ. For every line on its
standard input, a number to draw from, it forks a child, and says how that ended. The child of a negative
number lives until nothing is left. Children have everything loaded already: thousands are affordable.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import structlog

from event_effects import Effects
from tiffin.events import delivery, runner
from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.rabbitmq import inflow
from tiffin.events.rabbitmq import runner as rabbitmq
from tiffin.events.rabbitmq.inflow import Inflow
from tiffin.events.rabbitmq.runner import BrokerRunner
from tiffin.events.runner import ConsumerRunner, backlog
from tiffin.storage.node import Connection, Node

BATCH_MAX = 2
CALLS_MAX = 2
BEFORE, MARKED, DONE = "before", "between mark and effect", "before the commit of both"
EFFECT, CURSOR = "between effect and cursor", "between cursor and acknowledgement"
PLACES = (BEFORE, MARKED, DONE, EFFECT)
PLACES_AT_THE_QUEUE = (EFFECT, CURSOR)
FINISHED = "finished"


class Death:
    """Comes at a place of one of the first calls that count; never to who draws a negative number."""

    def __init__(self, number: int, places: Sequence[str]) -> None:
        random = Random(number)
        self._calls_left = random.randint(1, CALLS_MAX) if number >= 0 else sys.maxsize
        self.place = random.choice(places)

    def called(self) -> None:
        self._calls_left -= 1

    def at(self, place: str) -> None:
        if self._calls_left <= 0 and place == self.place:
            os.kill(os.getpid(), signal.SIGKILL)


class DyingEffects(Effects):
    """Of one of its calls it does not return."""

    def __init__(self, node: Node, name: str, death: Death) -> None:
        super().__init__(node, name)
        self._death = death
        self.counts_now: Callable[[], bool] = lambda: True

    async def handle(self, events: Sequence[Event]) -> None:
        if self.counts_now():
            self._death.called()
        self._death.at(BEFORE)
        await super().handle(events)
        self._death.at(EFFECT)

    async def note(self, connection: Connection, events: Sequence[Event]) -> None:
        self._death.at(MARKED)
        await super().note(connection, events)
        self._death.at(DONE)


async def consume(url: str, name: str, number: int) -> None:
    """By the log, until nothing is left, or until dead."""
    node = await open_node(url)
    effects = DyingEffects(node, name, Death(number, PLACES))
    consumer = Consumer(name, effects.handle, batch_max=BATCH_MAX)
    await until_drained(node, name, ConsumerRunner(consumer, node, lambda: datetime.now(UTC)))


async def listen(url: str, name: str, number: int, broker_url: str, form: str) -> None:
    """By RabbitMQ, until dead. Only what came out of the queue is deadly."""
    node = await open_node(url)
    death = Death(number, PLACES_AT_THE_QUEUE)

    class DyingInflow(Inflow):
        def done(self, binding: object, tags: Sequence[int]) -> None:
            if tags:
                death.at(CURSOR)
            super().done(binding, tags)

    rabbitmq.Inflow = DyingInflow
    effects = DyingEffects(node, name, death)
    consumer = Consumer(name, effects.handle, batches=form == "many")
    listening = BrokerRunner(consumer, [node], broker_url, lambda: datetime.now(UTC))
    effects.counts_now = lambda: listening.listening
    await (listening.run() if number >= 0 else until_drained(node, name, listening))


async def open_node(url: str) -> Node:
    """By the name that other processes have for it."""
    return await Node.open(url.rpartition("/")[2], url, readers_max=2)


async def until_drained(node: Node, name: str, running: ConsumerRunner | BrokerRunner) -> None:
    """Work until nothing is left."""
    task = asyncio.create_task(running.run())
    while await backlog(node, name):
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task])
    await node.close()


def be_impatient() -> None:
    """Whoever was killed is soon followed."""
    runner.STAND_IN_S = 0.005
    runner.PAUSE_S = delivery.RETRY_S = 0.001
    inflow.PAUSE_S = 0.005
    inflow.LOOK_INTERVAL_S = rabbitmq.IDLE_S = 0.1


def fork_for_each_line(work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """A child for every number, one at a time."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    be_impatient()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(work(int(line)))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print("killed" if os.WIFSIGNALED(status) else FINISHED if status == 0 else "failed", flush=True)


def main() -> None:
    _, url, name, *broker = sys.argv
    if broker:
        fork_for_each_line(lambda number: listen(url, name, number, *broker))
    else:
        fork_for_each_line(lambda number: consume(url, name, number))


if __name__ == "__main__":
    main()
