"""A search finds what is stored, wherever it is, as soon as it has been heard of."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from integration.restaurants.kitchen import Kitchen, said
from manual_clock import ManualClock
from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.restaurants import directory
from tiffin.services.restaurants.service import CHANGES
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.notifications import follow
from unit.restaurants.samples import hours


@asynccontextmanager
async def searching(kitchen: Kitchen, hears: bool = True) -> AsyncIterator[set[str]]:
    """While inside, the process keeps its index. Gives the ids of which something has been heard."""
    heard: set[str] = set()

    def hear(restaurant_id: str) -> None:
        heard.add(restaurant_id)
        kitchen.service.forget(restaurant_id)

    work = [kitchen.service.directory.run()]
    if hears:
        work += [follow(node, CHANGES, hear) for node in kitchen.router.nodes]
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield heard
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def names(kitchen: Kitchen, **fields: object) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    request = c.SearchRestaurants(**{"limit": 3, **fields})  # pyright: ignore
    while True:
        page = await kitchen.service.search(kitchen.context("customer", "ana"), request)
        found += [each.id for each in page.restaurants]
        if page.next_cursor is None:
            return found
        request.cursor = page.next_cursor


async def until(kitchen: Kitchen, expected: list[str], **fields: object) -> None:
    async with asyncio.timeout(30):
        while await names(kitchen, **fields) != expected:
            await asyncio.sleep(0.02)


async def test_restaurants_of_all_nodes_are_found_and_their_changes_seen(
    four_router: Router, clock: ManualClock, new_id: Callable[[str], str]
):
    kitchen, prefix = Kitchen(four_router, clock, new_id), new_id("Búsqueda")
    before = [await kitchen.open(name=f"{prefix} {number}") for number in range(8)]
    await kitchen.open(name=f"{prefix} draft", draft=True)
    async with searching(kitchen) as heard:
        assert await names(kitchen, name=prefix.upper()) == before
        await until_heard(kitchen, heard, before)
        after = [*before, await kitchen.open(name=f"{prefix} 8")]
        await until(kitchen, after, name=prefix)
        service, operator = kitchen.service, kitchen.context()
        await service.set_profile(
            operator,
            c.SetProfile(
                restaurant_id=before[0], name=f"{prefix} 9", place=c.Place(latitude=0, longitude=0),
                preparation_minutes=5,
            ),
        )  # fmt: skip
        await service.change_status(operator, c.ChangeStatus(restaurant_id=before[1], event="suspend"))
        await until(kitchen, [*after[2:], before[0]], name=prefix)
        await service.set_hours(operator, c.SetHours(restaurant_id=before[2], hours=[]))
        await until(kitchen, [*after[3:], before[0]], name=prefix, open_now=True)
        near = await service.search(
            operator, c.SearchRestaurants(latitude=0.001, longitude=0, name=prefix, radius_m=1000)
        )
        assert [(each.id, each.distance_m) for each in near.restaurants] == [(before[0], 111)]


async def until_heard(kitchen: Kitchen, heard: set[str], ids: list[str]) -> None:
    """Until every node is listened to: what it said before has gone unheard."""
    touch = "UPDATE restaurants.restaurants SET version = version + 1 WHERE shard = $1 AND id = $2"
    async with asyncio.timeout(30):
        while not heard.issuperset(ids):
            for id_ in ids:
                await kitchen.router.node("restaurant", shard_of(id_)).execute(touch, shard_of(id_), id_)
            await asyncio.sleep(0.02)


async def test_a_change_nobody_heard_of_is_found_by_comparing(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(directory, "COMPARE_S", 0.05)
    name = kitchen.new_id("Unheard")
    async with searching(kitchen, hears=False):
        assert await names(kitchen, name=name) == []
        opened = await kitchen.open(name=name)
        await until(kitchen, [opened], name=name)
        await kitchen.service.set_hours(
            kitchen.context(), c.SetHours(restaurant_id=opened, hours=hours([0], "01:00", "02:00"))
        )
        await until(kitchen, [], name=name, open_now=True)
        await kitchen.service.change_status(
            kitchen.context(), c.ChangeStatus(restaurant_id=opened, event="suspend")
        )
        await until(kitchen, [], name=name)


async def test_who_asks_before_everything_is_read_waits_no_longer_than_they_want(kitchen: Kitchen):
    hurried = new_context("customer", "ana", kitchen.clock(), timeout_ms=20)
    with pytest.raises(Unavailable) as unavailable:
        await kitchen.service.search(hurried, c.SearchRestaurants(name="soup"))
    assert unavailable.value.code == "starting"


async def test_a_search_without_a_sense_is_refused(kitchen: Kitchen):
    request = c.SearchRestaurants(latitude=float("nan"), longitude=0.0)
    assert await said(kitchen.service.search(kitchen.context(), request)) == "invalid_request"
