"""A consumer that is a hundred times slower than what happens: cut at its budget, and nobody else notices."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from event_effects import Effects, consumer_of, doubled, eventually
from prometheus_samples import counted
from rabbitmq_broker import Broker
from rabbitmq_load import PATIENCE_S, Town
from rabbitmq_transport import RabbitMqTransport, asking, depth
from tiffin.events.event import Event
from tiffin.events.rabbitmq import names
from tiffin.load.latency import Latencies

NAME = "test.slow"
TIMES_SLOWER = 100
PAUSE_S = 0.02
MEMORY_MAX_MB = 64
"""More than without the slow one: what its budget of events takes, and what the broker has not freed yet."""


class Flow(NamedTuple):
    """So many events a second, for so long with the slow one and for so long without, so many times."""

    rate: float
    seconds: float
    rounds: int
    budget: int


class Slow(Effects):
    """Takes its time while it is told to."""

    seconds_each = 0.0

    async def handle(self, events: Sequence[Event]) -> None:
        left = list(events)
        while left and self.seconds_each:
            await asyncio.sleep(self.seconds_each)
            await super().handle([left.pop(0)])
        if left:
            await super().handle(left)


@dataclass
class Seen:
    """Of a stretch of time: from an event to its effects, by one event a message and by batches; how long
    writing events took; the broker's memory at its largest."""

    one: Latencies = field(default_factory=Latencies)
    many: Latencies = field(default_factory=Latencies)
    written: Latencies = field(default_factory=Latencies)
    memory_mb: int = 0

    def __str__(self) -> str:
        p99 = [f"{each.at(0.5) * 1000:.0f}, {each.at(0.99) * 1000:.0f}" for each in self.latencies]
        return f"one {p99[0]} ms, many {p99[1]} ms, written {p99[2]} ms, broker {self.memory_mb} MB"

    @property
    def latencies(self) -> tuple[Latencies, ...]:
        return self.one, self.many, self.written


class Neighbours:
    """What the slow one must not disturb."""

    def __init__(self, town: Town, broker: Broker) -> None:
        self._town = town
        self._status = Path(f"/proc/{broker.pid}/status")
        self._seen = Seen()
        town.one.effects.between = lambda events: self._note(events, self._seen.one)
        town.many.effects.between = lambda events: self._note(events, self._seen.many)

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[Seen]:
        """What is seen while this is entered."""
        self._seen = seen = Seen()
        watching = asyncio.create_task(self._watch(seen))
        try:
            yield seen
        finally:
            watching.cancel()

    async def stretch(self, flow: Flow) -> None:
        """So much happens, and they have had it."""
        loop = asyncio.get_running_loop()
        began_s, before = loop.time(), len(self._town.ids)
        while (now_s := loop.time()) < began_s + flow.seconds:
            due = before + int(flow.rate * (now_s - began_s)) - len(self._town.ids)
            await self._town.happen(max(1, due))
            self._seen.written.add(loop.time() - now_s)
            await asyncio.sleep(PAUSE_S)
        for listener in self._town.listeners:
            await eventually(lambda c=listener.consumer: self._town.transport.is_drained(c), PATIENCE_S)

    async def _note(self, events: Sequence[Event], latencies: Latencies) -> None:
        now = datetime.now(UTC)
        for event in events:
            latencies.add((now - event.at).total_seconds())

    async def _watch(self, seen: Seen) -> None:
        while True:
            (resident,) = [line for line in self._status.read_text().splitlines() if "VmRSS" in line]
            seen.memory_mb = max(seen.memory_mb, int(resident.split()[1]) // 1024)
            await asyncio.sleep(PAUSE_S)


async def beside_a_slow_one(carrying: RabbitMqTransport, broker: Broker, flow: Flow) -> None:
    """The one that is slow at times keeps up at others. Nobody has marks: nothing may come to them twice."""
    async with Town.open(carrying, marked=False) as town:
        effects = Slow(carrying.node, NAME, marked=False)
        await effects.make()
        consumer = replace(consumer_of(effects, NAME), depth_max=flow.budget)
        neighbours = Neighbours(town, broker)
        rounds: list[tuple[Seen, Seen]] = []
        async with carrying.consuming(consumer):
            for number in range(1, flow.rounds + 1):
                await eventually(lambda: carrying.is_carrying(consumer), PATIENCE_S)
                async with neighbours.watched() as without:
                    await neighbours.stretch(flow)
                await eventually(lambda: carrying.is_drained(consumer), PATIENCE_S)
                effects.seconds_each = TIMES_SLOWER / flow.rate
                async with neighbours.watched() as beside:
                    await neighbours.stretch(flow)
                    while counted("tiffin_consumer_cuts", consumer=NAME) < number:
                        await town.happen(flow.budget // 10)
                        await asyncio.sleep(PAUSE_S)
                    effects.seconds_each = 0.0
                    await eventually(lambda: carrying.is_drained(consumer), PATIENCE_S)
                rounds.append((without, beside))
                print(f"p50 and p99 without: {without}; beside: {beside}")
            await eventually(lambda: carrying.is_carrying(consumer), PATIENCE_S)
            await town.happen(100)
            await town.settled()
            await eventually(lambda: carrying.is_drained(consumer), PATIENCE_S)
            found = await effects.ids()
            assert doubled(found) == []
            assert sorted(found) == sorted(town.ids)
            async with asking(carrying.url) as connection:
                assert await depth(connection, names.queue_of(NAME)) == 0
    failures = counted("tiffin_consumer_failures", consumer="relay", node=carrying.node.name)
    print(
        f"{len(town.ids):,} events; the relay failed {failures:.0f} times; beside by without, in the middle:"
    )
    for name, index in (("one", 0), ("many", 1), ("written", 2)):
        ratios = [
            with_it.latencies[index].at(0.99) / alone.latencies[index].at(0.99) for alone, with_it in rounds
        ]
        print(f"p99 of {name}: {median(ratios):.2f}, of {[f'{ratio:.2f}' for ratio in sorted(ratios)]}")
    largest = max(without.memory_mb for without, _ in rounds)
    assert max(beside.memory_mb for _, beside in rounds) <= largest + MEMORY_MAX_MB


async def test_of_a_slow_consumer_nobody_notices_anything(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    await beside_a_slow_one(carrying, broker, Flow(300, 0.5, 1, 200))


@pytest.mark.soak
async def test_of_a_slow_consumer_nobody_notices_anything_two_hundred_thousand_events(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    await beside_a_slow_one(carrying, broker, Flow(500, 40, 5, 10_000))
