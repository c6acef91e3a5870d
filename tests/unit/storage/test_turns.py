"""Taking turns: so many at a time, first come first served, and nobody for long."""

import asyncio

import pytest

from tiffin.storage import turns
from tiffin.storage.turns import Turns


async def test_so_many_have_their_turn_and_the_others_wait_in_order() -> None:
    taking = Turns(lambda: 2)
    ends = [await taking.take(), await taking.take()]
    order: list[int] = []

    async def wait(number: int) -> None:
        end = await taking.take()
        order.append(number)
        end()

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    assert order == []
    ends[0]()
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2]


async def test_a_turn_that_is_ended_twice_is_one_turn() -> None:
    taking = Turns(lambda: 1)
    end = await taking.take()
    end()
    end()
    await taking.take()
    other = asyncio.create_task(taking.take())
    await asyncio.sleep(0)
    assert not other.done()
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)


async def test_who_has_gone_away_has_no_turn() -> None:
    taking = Turns(lambda: 1)
    end = await taking.take()
    gone, next_one = asyncio.create_task(taking.take()), asyncio.create_task(taking.take())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    end()
    await next_one


async def test_who_is_slow_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", 0.0)
    taking = Turns(lambda: 1)
    await taking.take()
    async with asyncio.timeout(60):
        await taking.take()
