"""What every consumer may count on, whatever carries its events."""

import asyncio
from collections.abc import Sequence

from event_effects import Effects, Id, append_ids, consumer_of, doubled, eventually, ids_of, order_ids
from event_transports import Transport
from log_bench import append
from tiffin.events.consumer import Consumer
from tiffin.events.event import Event


async def test_events_of_a_key_come_in_order_at_least_once(transport: Transport) -> None:
    effects = Effects(transport.node, "test.order", marked=False)
    await effects.make()
    consumer = consumer_of(effects, "test.order", batch_max=7)
    ids = order_ids(10, 20)
    async with transport.consuming(consumer):
        for start in range(0, len(ids), 40):
            await append_ids(transport.node, ids[start : start + 40])
        await eventually(lambda: transport.is_drained(consumer))
    found = await effects.ids()
    assert set(found) == set(ids)
    for key in {key for key, _ in ids}:
        versions = [version for k, version in dict.fromkeys(found) if k == key]
        assert versions == list(range(1, 21))


async def test_an_event_that_fails_for_a_while_is_not_overtaken_by_its_key_nor_waited_for_by_others(
    transport: Transport,
) -> None:
    effects = Effects(transport.node, "test.order")
    await effects.make()
    effects.poison = {("1", 1)}
    tries = 0
    others: set[Id] = set()
    """What came together with it: all, as a rule."""

    async def mend(events: Sequence[Event]) -> None:
        nonlocal tries
        if tries == 0:
            others.update(id_ for id_ in ids_of(events) if id_[0] == "2")
        if ids_of(events) == [("1", 1)]:
            tries += 1
            if tries == 4:
                assert others <= set(await effects.ids())
                effects.poison = set()

    effects.before = mend
    consumer = consumer_of(effects, "test.order")
    await append_ids(transport.node, order_ids(2, 2))
    async with transport.consuming(consumer):
        await eventually(lambda: transport.is_drained(consumer))
    found = await effects.ids()
    assert [id_ for id_ in found if id_[0] == "1"] == [("1", 1), ("1", 2)]
    assert sorted(found) == sorted(order_ids(2, 2))


async def test_a_consumer_gets_the_types_it_wants_and_no_others(transport: Transport) -> None:
    got: list[Id] = []

    async def handle(events: Sequence[Event]) -> None:
        got.extend(ids_of(events))

    consumer = Consumer("test.types", handle, types=frozenset(("order.placed",)))
    async with transport.consuming(consumer):
        for number, type_ in enumerate(("placed", "accepted", "placed", "prepared", "placed")):
            await append(transport.node, str(number), type_=f"order.{type_}")
        await eventually(lambda: transport.is_drained(consumer))
    assert sorted(set(got)) == [("0", 1), ("2", 1), ("4", 1)]


async def test_as_many_batches_as_are_wanted_go_on_at_once_each_key_in_order(transport: Transport) -> None:
    at_once, most = 0, 0
    got: list[Id] = []
    all_in = asyncio.Event()

    async def handle(events: Sequence[Event]) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if most == 3:
            all_in.set()
        await all_in.wait()
        got.extend(ids_of(events))
        at_once -= 1

    consumer = Consumer("test.concurrency", handle, concurrency=3)
    ids = order_ids(30, 5)
    await append_ids(transport.node, ids)
    async with transport.consuming(consumer):
        await eventually(lambda: transport.is_drained(consumer))
    assert most == 3
    assert sorted(set(got)) == sorted(ids)
    for order in range(1, 31):
        assert [version for key, version in dict.fromkeys(got) if key == str(order)] == [1, 2, 3, 4, 5]


async def test_a_consumer_that_is_stuck_does_not_hold_up_others(transport: Transport) -> None:
    stuck = asyncio.Event()

    async def hang(_: Sequence[Event]) -> None:
        stuck.set()
        await asyncio.Event().wait()

    effects = Effects(transport.node, "test.quick")
    await effects.make()
    slow, quick = Consumer("test.slow", hang), consumer_of(effects, "test.quick")
    ids = order_ids(100, 10)
    async with transport.consuming(slow), transport.consuming(quick), asyncio.timeout(60):
        await append_ids(transport.node, ids[:1])
        await stuck.wait()
        await append_ids(transport.node, ids[1:])
        await eventually(lambda: transport.is_drained(quick))
        assert not await transport.is_drained(slow)
    assert sorted(await effects.ids()) == sorted(ids)


async def test_who_is_asked_to_stop_finishes_what_it_is_at_and_nothing_of_it_comes_again(
    transport: Transport,
) -> None:
    got: list[Id] = []
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def handle(events: Sequence[Event]) -> None:
        reached.set()
        await goes_on.wait()
        got.extend(ids_of(events))

    consumer = Consumer("test.drain", handle)
    await append_ids(transport.node, order_ids(3, 1))
    async with transport.consuming(consumer) as running, asyncio.timeout(60):
        await reached.wait()
        stopping = asyncio.create_task(running.stop())
        await asyncio.sleep(0.01)
        assert not stopping.done()
        goes_on.set()
        await stopping
    assert got != []
    async with transport.consuming(consumer):
        await eventually(lambda: transport.is_drained(consumer))
    assert sorted(got) == sorted(order_ids(3, 1))
    assert doubled(got) == []
