"""The inbox: of any number of attempts at the same event one has the effect."""

import asyncio
from random import Random

import pytest

from event_effects import Effects, append_ids, doubled, ids_of, order_ids
from log_bench import read_until
from tiffin.events.inbox import unmarked
from tiffin.storage.node import Node


async def test_an_event_is_given_once_however_often_it_is_in_a_batch_and_in_order(log: Node) -> None:
    ids = [("b", 1), ("a", 2), ("b", 1), ("a", 1), ("a", 2)]
    await append_ids(log, ids)
    events, _ = await read_until(log, 5)
    async with log.transaction() as connection:
        assert ids_of(await unmarked(connection, "test.one", events)) == [("b", 1), ("a", 2), ("a", 1)]
        assert await unmarked(connection, "test.one", events) == []
        assert ids_of(await unmarked(connection, "test.other", events[:1])) == [("b", 1)]


async def test_what_is_rolled_back_is_not_marked(log: Node) -> None:
    await append_ids(log, [("a", 1)])
    events, _ = await read_until(log, 1)
    with pytest.raises(ZeroDivisionError):
        async with log.transaction() as connection:
            await unmarked(connection, "test.one", events)
            raise ZeroDivisionError
    async with log.transaction() as connection:
        assert await unmarked(connection, "test.one", events) == events


async def test_of_many_at_once_each_event_has_one_effect_and_nobody_waits_in_a_circle(log: Node) -> None:
    effects = Effects(log, "test.many")
    await effects.make()
    ids = order_ids(100, 2)
    await append_ids(log, ids)
    events, _ = await read_until(log, len(ids))
    random = Random(1)
    for _ in range(5):
        batches = [random.sample(events, len(events)) for _ in range(5)]
        await asyncio.gather(*(effects.handle(batch) for batch in batches))
    found = await effects.ids()
    assert doubled(found) == []
    assert sorted(found) == sorted(ids)
