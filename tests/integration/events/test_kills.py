"""Consumers killed with effects, marks and cursors in every state: nothing is lost, nothing doubled."""

from collections import Counter

import pytest

import event_victim
from event_effects import Effects, append_ids, doubled, order_ids
from tiffin.events.runner import backlog
from tiffin.storage.node import Node
from victims import Victims

NAME = "test.victim"
EVENTS_A_ROUND = 3


async def killed_by_the_system(log: Node, kills: int) -> None:
    effects = Effects(log, NAME)
    await effects.make()
    ids = order_ids(2 * kills * EVENTS_A_ROUND, 1)
    ends: Counter[str] = Counter()
    appended = number = 0
    async with Victims.of(event_victim, log.url, NAME) as victims:
        while ends["killed"] < kills:
            await append_ids(log, ids[appended : appended + EVENTS_A_ROUND])
            appended += EVENTS_A_ROUND
            ends[await victims.end_of(number)] += 1
            number += 1
        await victims.live()
    assert await backlog(log, NAME) == 0
    found = await effects.ids()
    assert doubled(found) == []
    assert sorted(found) == sorted(ids[:appended])
    print(dict(ends), f"{appended} events")


async def test_killed_at_every_step_twenty_times_nothing_is_lost_or_doubled(log: Node) -> None:
    await killed_by_the_system(log, 20)


@pytest.mark.soak
async def test_killed_at_every_step_five_hundred_times_nothing_is_lost_or_doubled(log: Node) -> None:
    """In the conformance suite runners end 1,500 times, between effect and acknowledgement."""
    await killed_by_the_system(log, 500)
