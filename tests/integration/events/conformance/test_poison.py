"""An event that cannot be taken: it alone ends among the dead letters, and comes back when it is told to."""

import asyncio
from collections.abc import Sequence
from random import Random

import asyncpg
import pytest

from event_effects import Effects, Id, append_ids, consumer_of, eventually, order_ids
from event_transports import Transport, carry
from log_bench import append
from manual_clock import ManualClock
from tiffin.events import triage
from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.triage import Letter, Which
from tiffin.primitives.errors import Unavailable

OPEN = ("dead", "parked", "replaying")
NAME = "test.poison"
AWAY = (
    Unavailable("service_unavailable", "away"),
    ConnectionResetError(),
    asyncpg.DiskFullError(),
    ExceptionGroup("several", [Unavailable("service_unavailable", "away"), TimeoutError()]),
)


async def letters(transport: Transport, *states: str, limit: int = 100_000) -> list[Letter]:
    return await triage.browse(transport.node, Which(NAME), states or OPEN, limit)  # type: ignore[arg-type]


async def letter_ids(transport: Transport, *states: str) -> list[Id]:
    return sorted((letter.event.key, letter.event.version) for letter in await letters(transport, *states))


async def drained(transport: Transport, consumer: Consumer) -> None:
    await eventually(lambda: transport.is_drained(consumer))


async def settled(transport: Transport) -> None:
    """Until no letter is open."""

    async def none_open() -> bool:
        return await letters(transport) == []

    await eventually(none_open)


async def poison_among(transport: Transport, poison: int, events: int, patience_s: float) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    ids = order_ids(events // 4, 4)
    effects.poison = set(Random(poison).sample(ids, poison))
    consumer = consumer_of(effects, NAME)
    async with transport.consuming(consumer):
        await carry(transport, consumer, ids, patience_s)
        assert await letter_ids(transport) == sorted(effects.poison)
        assert sorted(await effects.ids()) == sorted(set(ids) - effects.poison)
        effects.poison = set()
        assert await triage.replay(transport.node, Which(NAME)) == poison
        assert await triage.replay(transport.node, Which(NAME)) == 0
        await settled(transport)
        assert await triage.replay(transport.node, Which(NAME)) == 0
    assert sorted(await effects.ids()) == sorted(ids)


async def test_of_some_poison_each_is_one_dead_letter_neighbours_are_unharmed_and_replayed_once(
    transport: Transport,
) -> None:
    await poison_among(transport, 20, 2_000, 60)


@pytest.mark.soak
async def test_of_a_thousand_poison_among_a_hundred_thousand_each_is_one_dead_letter(
    transport: Transport,
) -> None:
    await poison_among(transport, 1_000, 100_000, 3_000)


async def test_a_dead_letter_says_what_why_and_since_when(transport: Transport, clock: ManualClock) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    effects.poison = {("17", 1)}
    consumer = consumer_of(effects, NAME, tries=3)
    await append(transport.node, "17", restaurant_id="noodles")
    async with transport.consuming(consumer):
        await drained(transport, consumer)
    (letter,) = await letters(transport)
    assert (letter.consumer, letter.state, letter.tries) == (NAME, "dead", 3)
    assert (letter.order_id, letter.restaurant_id) == (17, "noodles")
    assert letter.reason == "Poison: cannot take ('17', 1)"
    assert "event_effects.py" in letter.stack
    assert letter.first_failed_at == letter.last_failed_at == clock()
    assert (letter.event.stream, letter.event.key, letter.event.type) == ("order", "17", "order.accepted")
    assert '"restaurant_id":"noodles"' in letter.event.data


async def test_a_letter_that_fails_again_is_dead_again_with_all_its_tries(transport: Transport) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    effects.poison = {("1", 1)}
    consumer = consumer_of(effects, NAME, tries=2)
    await append(transport.node, "1")
    async with transport.consuming(consumer):
        await drained(transport, consumer)
        await triage.replay(transport.node, Which(NAME))

        async def dead_again() -> bool:
            return [(letter.state, letter.tries) for letter in await letters(transport)] == [("dead", 4)]

        await eventually(dead_again)
    assert await effects.ids() == []


async def test_after_a_dead_event_the_others_of_its_key_go_on(transport: Transport) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    effects.poison = {("1", 2)}
    consumer = consumer_of(effects, NAME)
    await append_ids(transport.node, order_ids(2, 4))
    async with transport.consuming(consumer):
        await drained(transport, consumer)
    assert [version for key, version in await effects.ids() if key == "1"] == [1, 3, 4]
    assert await letter_ids(transport) == [("1", 2)]


async def test_if_order_matters_later_events_of_a_key_wait_behind_the_dead_one_and_come_in_order(
    transport: Transport,
) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    effects.poison = {("1", 2)}
    consumer = consumer_of(effects, NAME, ordered=True)
    await append_ids(transport.node, order_ids(2, 4))
    async with transport.consuming(consumer):
        await drained(transport, consumer)
        await append_ids(transport.node, [("1", 5), ("2", 5)])
        await drained(transport, consumer)
        assert await letter_ids(transport, "dead") == [("1", 2)]
        assert await letter_ids(transport, "parked") == [("1", 3), ("1", 4), ("1", 5)]
        assert [version for key, version in await effects.ids() if key == "1"] == [1]
        assert [version for key, version in await effects.ids() if key == "2"] == [1, 2, 3, 4, 5]
        effects.poison = set()
        await triage.replay(transport.node, Which(NAME, reason="cannot take"))
        await settled(transport)
        await append_ids(transport.node, [("1", 6)])
        await drained(transport, consumer)
    assert [version for key, version in await effects.ids() if key == "1"] == [1, 2, 3, 4, 5, 6]


async def test_if_order_matters_and_the_dead_one_is_given_up_those_behind_it_come(
    transport: Transport,
) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    effects.poison = {("1", 1)}
    consumer = consumer_of(effects, NAME, ordered=True)
    await append_ids(transport.node, order_ids(1, 3))
    async with transport.consuming(consumer):
        await drained(transport, consumer)
        assert await triage.discard(transport.node, Which(NAME, event=("order", "1", 1))) == 1
        await settled(transport)
    assert await effects.ids() == [("1", 2), ("1", 3)]
    assert await letter_ids(transport, "discarded") == [("1", 1)]


async def test_while_the_world_is_at_fault_nothing_dies_and_nothing_is_left_out(transport: Transport) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    failures = 0

    async def be_away(_: Sequence[Event]) -> None:
        nonlocal failures
        if failures < 30:
            failures += 1
            raise AWAY[failures % len(AWAY)]

    effects.before = be_away
    consumer = consumer_of(effects, NAME, tries=1)
    ids = order_ids(5, 3)
    await append_ids(transport.node, ids)
    async with transport.consuming(consumer):
        await drained(transport, consumer)
    assert failures == 30
    assert await letters(transport) == []
    assert sorted(await effects.ids()) == sorted(ids)


async def test_an_event_that_is_dead_and_comes_again_stays_one_letter(transport: Transport) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    effects.poison = {("1", 1)}
    handled = 0

    async def count(events: Sequence[Event]) -> None:
        nonlocal handled
        handled += sum(event.key == "1" for event in events)

    effects.before = count
    consumer = consumer_of(effects, NAME, tries=2)
    await append(transport.node, "1")
    async with transport.consuming(consumer):
        await drained(transport, consumer)
        tried = handled
        await append(transport.node, "1", "2")
        await drained(transport, consumer)
    assert handled == tried, "what is among the dead letters comes from there only"
    assert [(letter.state, letter.tries) for letter in await letters(transport)] == [("dead", 2)]


@pytest.mark.parametrize("ordered", [False, True])
async def test_an_event_that_was_given_up_and_comes_again_is_not_handled(
    transport: Transport, ordered: bool
) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    effects.poison = {("1", 1)}
    consumer = consumer_of(effects, NAME, ordered=ordered)
    await append(transport.node, "1")
    async with transport.consuming(consumer):
        await drained(transport, consumer)
        assert await triage.discard(transport.node, Which(NAME)) == 1
        effects.poison = set()
        await append_ids(transport.node, [("1", 1), ("1", 2)])
        await drained(transport, consumer)
    await append_ids(transport.node, [("1", 1), ("1", 3)])
    async with transport.consuming(consumer):  # another one, who knows of no letters
        await drained(transport, consumer)
    assert await effects.ids() == [("1", 2), ("1", 3)]
    assert await letter_ids(transport) == []
    assert await letter_ids(transport, "discarded") == [("1", 1)]


async def test_an_event_whose_data_and_error_are_unreadable_is_a_letter_all_the_same(
    transport: Transport,
) -> None:
    async def handle(events: Sequence[Event]) -> None:
        raise ValueError("nul \0 and half a pair \ud800")

    consumer = Consumer(NAME, handle, tries=1)
    await transport.node.execute(
        "INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)"
        " VALUES ('customer', 0, 'order', 'not a number', 1, 'order.accepted', '{', now(), '')"
    )
    async with transport.consuming(consumer):
        await drained(transport, consumer)
    (letter,) = await letters(transport)
    assert (letter.order_id, letter.restaurant_id) == (None, None)
    assert letter.reason.startswith("ValueError: nul ")


async def test_a_consumer_with_poison_is_stopped_while_it_waits_and_the_next_one_finds_the_poison(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = Effects(transport.node, NAME)
    await effects.make()
    away = asyncio.Event()

    async def be_away(_: Sequence[Event]) -> None:
        away.set()
        raise Unavailable("service_unavailable", "away")

    effects.before = be_away
    effects.poison = {("1", 1)}
    consumer = consumer_of(effects, NAME)
    await append(transport.node, "1", "2")
    async with transport.consuming(consumer) as running, asyncio.timeout(60):
        await away.wait()
        await running.stop()
    effects.before = None
    async with transport.consuming(consumer):
        await drained(transport, consumer)
    assert await letter_ids(transport) == [("1", 1)]
    assert await effects.ids() == [("2", 1)]
