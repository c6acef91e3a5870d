"""Consumers killed between effect and acknowledgement, relays between publishing and its confirm."""

from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

import event_victim
import relay_victim
from event_effects import Effects, consumer_of, doubled, eventually
from rabbitmq_load import PATIENCE_S, Listener, happening
from rabbitmq_transport import RabbitMqTransport, asking, drop_queue
from tiffin.events.rabbitmq import names
from tiffin.events.rabbitmq.relay import NAME as RELAY
from tiffin.events.runner import backlog
from victims import Victims

RATE = 50.0
"""Events a second: few, so that who starts is soon at work."""
PIECE = 250
"""Kills a test."""
SEEDS = range(0, 4 * PIECE, PIECE)


async def consumers_killed(carrying: RabbitMqTransport, form: str, numbers: range) -> None:
    node, name = carrying.node, f"test.victim.{uuid4().hex[:6]}"
    effects = Effects(node, name)
    await effects.make()
    async with (
        carrying.relaying(),
        Victims.of(event_victim, node.url, name, carrying.url, form) as victims,
    ):
        async with happening(node, RATE) as ids:
            for number in numbers:
                await victims.die(number)
        await victims.live()
        assert await backlog(node, name) == 0
    found = await effects.ids()
    assert doubled(found) == []
    assert sorted(found) == sorted(ids)
    print(f"{form}: {len(numbers)} consumers killed, {len(ids)} events")
    async with asking(carrying.url) as connection:
        for queue in (names.queue_of(name), names.sink_of(name)):
            await drop_queue(connection, queue)


@pytest.mark.parametrize("form", ["one", "many"])
async def test_killed_between_effect_and_acknowledgement_five_times(
    carrying: RabbitMqTransport, form: str
) -> None:
    await consumers_killed(carrying, form, range(5))


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("form", ["one", "many"])
async def test_killed_between_effect_and_acknowledgement_a_thousand_times_in_either_form(
    carrying: RabbitMqTransport, form: str, seed: int
) -> None:
    await consumers_killed(carrying, form, range(seed, seed + PIECE))


async def relays_killed(carrying: RabbitMqTransport, numbers: range) -> None:
    """Consumers have no marks: what is published again must not reach them."""
    node = carrying.node
    async with AsyncExitStack() as stack:
        listeners: list[Listener] = []
        for form in ("one", "many"):
            name = f"test.{form}.{uuid4().hex[:6]}"
            effects = Effects(node, name, marked=False)
            await effects.make()
            consumer = consumer_of(effects, name, batches=form == "many")
            process = await stack.enter_async_context(carrying.consuming(consumer))
            listeners.append(Listener(effects, consumer, process))
        for listener in listeners:
            await eventually(listener.listens, PATIENCE_S)
        async with Victims.of(relay_victim, node.url, carrying.url) as victims:
            async with happening(node, RATE) as ids:
                for number in numbers:
                    await victims.die(number)
            await victims.live()
            assert await backlog(node, RELAY) == 0
        for listener in listeners:
            await eventually(lambda c=listener.consumer: carrying.is_drained(c), PATIENCE_S)
            found = await listener.effects.ids()
            assert doubled(found) == []
            assert sorted(found) == sorted(ids)
    print(f"{len(numbers)} relays killed, {len(ids)} events")


async def test_killed_between_publishing_and_its_confirm_five_times(carrying: RabbitMqTransport) -> None:
    await relays_killed(carrying, range(5))


@pytest.mark.soak
@pytest.mark.parametrize("seed", [*SEEDS, *(4 * PIECE + seed for seed in SEEDS)])
async def test_killed_between_publishing_and_its_confirm_two_thousand_times(
    carrying: RabbitMqTransport, seed: int
) -> None:
    await relays_killed(carrying, range(seed, seed + PIECE))
