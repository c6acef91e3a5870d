"""Consumers killed between effect and acknowledgement, relays between publishing and its confirm."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

import event_victim
import relay_victim
from event_effects import Effects, consumer_of, doubled, eventually
from event_victim import Death
from rabbitmq_load import PATIENCE_S, Listener, happening
from rabbitmq_transport import RabbitMqTransport, asking, drop_queue
from tiffin.events.rabbitmq import names
from tiffin.events.rabbitmq.relay import NAME as RELAY
from tiffin.events.runner import backlog
from victims import Victims

FORMS = ("one", "many")
RATE = 50.0
"""Events a second: few, so that who starts is soon at work."""
PIECE = 250
"""Kills a test."""
SEEDS = range(0, 2_000, PIECE)


async def deaths(victims: Sequence[Victims], numbers: range) -> None:
    """Each has its share of them, all at once: most of a short life is waiting."""

    async def die(each: Victims, share: range) -> None:
        for number in share:
            await each.die(number)

    async with asyncio.TaskGroup() as dying:
        for index, each in enumerate(victims):
            dying.create_task(die(each, numbers[index :: len(victims)]))


def told(numbers: range, places: Sequence[str]) -> str:
    """How many died where."""
    counts = Counter(Death(number, places).place for number in numbers)
    return ", ".join(f"{count} {place}" for place, count in sorted(counts.items()))


async def consumers_killed(carrying: RabbitMqTransport, numbers: range, at_once: int) -> None:
    """So many at once, in either form by turns. They have marks."""
    node = carrying.node
    async with carrying.relaying(), AsyncExitStack() as stack:
        forms = [FORMS[index % len(FORMS)] for index in range(at_once)]
        consumers = [f"test.victim.{form}.{uuid4().hex[:6]}" for form in forms]
        every = [Effects(node, name) for name in consumers]
        victims: list[Victims] = []
        for effects, form in zip(every, forms, strict=True):
            await effects.make()
            start = Victims.of(event_victim, node.url, effects.name, carrying.url, form)
            victims.append(await stack.enter_async_context(start))
        async with happening(node, RATE) as ids:
            await deaths(victims, numbers)
        for effects, each in zip(every, victims, strict=True):
            await each.live()
            assert await backlog(node, effects.name) == 0
            found = await effects.ids()
            assert doubled(found) == []
            assert sorted(found) == sorted(ids)
    for index, form in enumerate(forms):
        share = numbers[index::at_once]
        where = told(share, event_victim.PLACES_AT_THE_QUEUE)
        print(f"{form}: {len(share)} consumers killed ({where}), {len(ids)} events")
    async with asking(carrying.url) as connection:
        for name in consumers:
            await drop_queue(connection, names.queue_of(name))
            await drop_queue(connection, names.sink_of(name))


async def test_killed_between_effect_and_acknowledgement_five_times_in_either_form(
    carrying: RabbitMqTransport,
) -> None:
    await consumers_killed(carrying, range(10), 2)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_between_effect_and_acknowledgement_two_thousand_times(
    carrying: RabbitMqTransport, seed: int
) -> None:
    await consumers_killed(carrying, range(seed, seed + PIECE), 4)


async def relays_killed(carrying: RabbitMqTransport, numbers: range, at_once: int) -> None:
    """So many stand by. Consumers have no marks: what is published again must not reach them."""
    node = carrying.node
    async with AsyncExitStack() as stack:
        listeners: list[Listener] = []
        for form in FORMS:
            name = f"test.{form}.{uuid4().hex[:6]}"
            effects = Effects(node, name, marked=False)
            await effects.make()
            consumer = consumer_of(effects, name, batches=form == "many")
            process = await stack.enter_async_context(carrying.consuming(consumer))
            listeners.append(Listener(effects, consumer, process))
        for listener in listeners:
            await eventually(listener.listens, PATIENCE_S)
        start = [Victims.of(relay_victim, node.url, carrying.url) for _ in range(at_once)]
        victims = [await stack.enter_async_context(each) for each in start]
        async with happening(node, RATE) as ids:
            await deaths(victims, numbers)
        await victims[0].live()
        assert await backlog(node, RELAY) == 0
        for listener in listeners:
            await eventually(lambda c=listener.consumer: carrying.is_drained(c), PATIENCE_S)
            found = await listener.effects.ids()
            assert doubled(found) == []
            assert sorted(found) == sorted(ids)
    print(f"{len(numbers)} relays killed ({told(numbers, relay_victim.PLACES)}), {len(ids)} events")


async def test_killed_between_publishing_and_its_confirm_five_times(carrying: RabbitMqTransport) -> None:
    await relays_killed(carrying, range(5), 1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_between_publishing_and_its_confirm_two_thousand_times(
    carrying: RabbitMqTransport, seed: int
) -> None:
    await relays_killed(carrying, range(seed, seed + PIECE), 2)
