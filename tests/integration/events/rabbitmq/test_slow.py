"""A consumer that is a hundred times slower than what happens: cut at its budget, and nobody else notices."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
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


class Neighbours:
    """How long each event took to their effects, and how large the broker was."""

    def __init__(self, town: Town, broker: Broker) -> None:
        self._town = town
        self._status = Path(f"/proc/{broker.pid}/status")
        self._lags: list[Latencies] = []
        for number, listener in enumerate(town.listeners):
            listener.effects.between = lambda events, number=number: self._note(number, events)

    async def stretch(self, flow: Flow) -> tuple[list[float], int]:
        """Their p99 in milliseconds, and the broker's memory in MB at its largest, while so much happens."""
        self._lags = [Latencies() for _ in self._town.listeners]
        loop = asyncio.get_running_loop()
        began_s, before, largest = loop.time(), len(self._town.ids), 0
        while (now_s := loop.time() - began_s) < flow.seconds:
            await self._town.happen(max(1, before + int(flow.rate * now_s) - len(self._town.ids)))
            largest = max(largest, self._memory_mb())
            await asyncio.sleep(PAUSE_S)
        for listener in self._town.listeners:
            await eventually(lambda c=listener.consumer: self._town.transport.is_drained(c), PATIENCE_S)
        return [lags.percentiles().p99_s * 1000 for lags in self._lags], largest

    async def _note(self, number: int, events: Sequence[Event]) -> None:
        now = datetime.now(UTC)
        for event in events:
            self._lags[number].add((now - event.at).total_seconds())

    def _memory_mb(self) -> int:
        (resident,) = [line.split()[1] for line in self._status.read_text().splitlines() if "VmRSS" in line]
        return int(resident) // 1024


async def beside_a_slow_one(carrying: RabbitMqTransport, broker: Broker, flow: Flow) -> None:
    """The one that is slow at times keeps up at others. All have marks: while a queue is cut the broker may
    refuse what other queues have, and then it comes to those again."""
    async with Town.open(carrying) as town:
        effects = Slow(carrying.node, NAME)
        await effects.make()
        consumer = replace(consumer_of(effects, NAME), depth_max=flow.budget)
        neighbours = Neighbours(town, broker)
        async with carrying.consuming(consumer):
            ratios: list[float] = []
            memory: list[tuple[int, int]] = []
            for number in range(1, flow.rounds + 1):
                await eventually(lambda: carrying.is_carrying(consumer), PATIENCE_S)
                without, memory_without = await neighbours.stretch(flow)
                effects.seconds_each = TIMES_SLOWER / flow.rate
                beside, memory_beside = await neighbours.stretch(flow)
                while counted("tiffin_consumer_cuts", consumer=NAME) < number:
                    await town.happen(flow.budget // 10)
                    await asyncio.sleep(PAUSE_S)
                effects.seconds_each = 0.0
                await eventually(lambda: carrying.is_drained(consumer), PATIENCE_S)
                ratios += [with_it / alone for with_it, alone in zip(beside, without, strict=True)]
                memory.append((memory_without, memory_beside))
                print(f"p99 {without} ms without, {beside} beside; {memory[-1]} MB")
            await eventually(lambda: carrying.is_carrying(consumer), PATIENCE_S)
            await town.happen(100)
            await town.settled()
            await eventually(lambda: carrying.is_drained(consumer), PATIENCE_S)
            found = await effects.ids()
            assert doubled(found) == []
            assert sorted(found) == sorted(town.ids)
            async with asking(carrying.url) as connection:
                assert await depth(connection, names.queue_of(NAME)) == 0
    print(f"{len(town.ids):,} events; beside by without: {median(ratios):.2f} in the middle; {memory} MB")
    assert max(beside for _, beside in memory) <= max(without for without, _ in memory) + MEMORY_MAX_MB


async def test_of_a_slow_consumer_nobody_notices_anything(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    await beside_a_slow_one(carrying, broker, Flow(300, 0.5, 1, 200))


@pytest.mark.soak
async def test_of_a_slow_consumer_nobody_notices_anything_two_hundred_thousand_events(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    await beside_a_slow_one(carrying, broker, Flow(1_000, 20, 5, 10_000))
