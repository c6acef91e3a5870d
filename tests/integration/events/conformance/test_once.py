"""Every effect exactly once, whatever comes again, in whatever order."""

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from event_effects import Effects, append_ids, consumer_of, disturbed, doubled, eventually, order_ids
from event_transports import Transport, carry
from tiffin.events.event import Event
from tiffin.primitives.errors import Unavailable


async def repeated_and_shuffled(transport: Transport, events: int, seed: int, patience_s: float) -> None:
    """Three deliveries an event on average, each a row of the log: no transport knows them again."""
    effects = Effects(transport.node, "test.once")
    await effects.make()
    ids = disturbed(order_ids(events // 5, 5), Random(seed), 1_000)
    consumer = consumer_of(effects, "test.once")
    async with transport.consuming(consumer):
        await carry(transport, consumer, ids, patience_s)
    print(f"{transport.name}: {len(ids):,} deliveries of {events:,} events")
    assert await effects.counts() == (events, events)


async def test_repeated_and_shuffled_every_effect_happens_exactly_once(transport: Transport) -> None:
    await repeated_and_shuffled(transport, 2_000, 0, 60)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_of_a_million_repeated_and_shuffled_deliveries_every_effect_happens_exactly_once(
    transport: Transport, seed: int
) -> None:
    await repeated_and_shuffled(transport, 350_000, seed, 3_000)


async def test_what_fails_after_its_effect_has_it_once(transport: Transport) -> None:
    effects = Effects(transport.node, "test.once")
    await effects.make()
    random = Random(7)

    async def fail_at_times(_: Sequence[Event]) -> None:
        if random.random() < 0.3:
            raise Unavailable("database_unavailable", "it happens")

    effects.before = effects.between = fail_at_times
    ids = order_ids(200, 3)
    consumer = consumer_of(effects, "test.once", batch_max=20)
    async with transport.consuming(consumer):
        for start in range(0, len(ids), 50):
            await append_ids(transport.node, ids[start : start + 50])
        await eventually(lambda: transport.is_drained(consumer))
    assert sorted(await effects.ids()) == sorted(ids)


async def ended_between_effect_and_acknowledgement(transport: Transport, ends: int) -> None:
    effects = Effects(transport.node, "test.once")
    await effects.make()
    consumer = consumer_of(effects, "test.once", batch_max=10)
    ids, appended, ended = order_ids(20 * ends, 1), 0, 0
    random = Random(ends)
    while ended < ends:
        await append_ids(transport.node, ids[appended : appended + 5])
        appended += 5
        reached = asyncio.Event()

        async def stay_here_at_times(_: Sequence[Event], reached: asyncio.Event = reached) -> None:
            if random.random() < 0.8:
                reached.set()
                await asyncio.Event().wait()

        async def is_over(reached: asyncio.Event = reached) -> bool:
            return reached.is_set() or await transport.is_drained(consumer)

        effects.between = stay_here_at_times
        async with transport.consuming(consumer):
            await eventually(is_over)
        ended += reached.is_set()
    effects.between = None
    async with transport.consuming(consumer):
        await eventually(lambda: transport.is_drained(consumer))
    found = await effects.ids()
    assert doubled(found) == []
    assert sorted(found) == sorted(ids[:appended])


async def test_who_ends_between_effect_and_acknowledgement_has_it_once(transport: Transport) -> None:
    await ended_between_effect_and_acknowledgement(transport, 15)


@pytest.mark.soak
async def test_who_ends_between_effect_and_acknowledgement_1_500_times_has_it_once(
    transport: Transport,
) -> None:
    await ended_between_effect_and_acknowledgement(transport, 1_500)
