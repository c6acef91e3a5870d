import asyncio

import pytest

from tiffin.load.pace import FlatOut, Timed


async def test_without_a_speed_no_more_orders_work_at_once_than_allowed():
    pace = FlatOut(orders_max=2)
    await pace.begin(0)
    await pace.begin(0)
    third = asyncio.ensure_future(pace.begin(0))
    await asyncio.sleep(0)
    assert not third.done()
    pace.end()
    await third


async def test_an_order_that_only_waits_makes_room_for_another():
    pace = FlatOut(orders_max=1)
    await pace.begin(0)
    parked = asyncio.ensure_future(pace.park(0.001))
    await pace.begin(0)
    pace.end()
    await parked
    blocked = asyncio.ensure_future(pace.begin(0))
    await asyncio.sleep(0)
    assert not blocked.done(), "the parked order has its place back"
    pace.end()
    await blocked


async def test_no_more_orders_are_parked_than_allowed():
    pace = FlatOut(orders_max=1, parked_max=1)
    begun = []

    async def order(name):
        await pace.begin(0)
        begun.append(name)
        try:
            await pace.park(3600)
        finally:
            pace.end()

    orders = [asyncio.ensure_future(order(name)) for name in ("first", "second", "third")]
    for _ in range(10):
        await asyncio.sleep(0)
    assert begun == ["first", "second"], "the second keeps its place until the first is back"
    for each in orders:
        each.cancel()
    await asyncio.wait_for(asyncio.gather(*orders, return_exceptions=True), 5)


async def test_without_a_speed_the_day_has_no_pauses():
    await asyncio.wait_for(FlatOut().pause(86_400), 5)


async def test_at_a_speed_moments_lie_as_far_apart_as_in_the_day():
    pace = Timed(speed=1e6, first_at_s=43_200)
    first, second = await pace.begin(43_200), await pace.begin(53_200)
    assert second - first == pytest.approx(0.01)


async def test_an_order_that_starts_late_still_counts_from_its_own_moment():
    pace = Timed(speed=1.0, first_at_s=1000)
    origin = await pace.begin(1000)
    assert await pace.begin(900) == pytest.approx(origin - 100)
