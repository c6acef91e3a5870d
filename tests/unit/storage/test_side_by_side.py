"""Several things at a time: nothing goes on behind the back of who tries again."""

import asyncio

import pytest

from tiffin.storage.side_by_side import side_by_side


async def _value(value: int, turns: int, ended: list[int], error: Exception | None = None) -> int:
    for _ in range(turns):
        await asyncio.sleep(0)
    ended.append(value)
    if error is not None:
        raise error
    return value


async def test_results_come_in_the_order_of_the_works_whichever_ends_first():
    ended: list[int] = []
    assert await side_by_side(_value(n, 5 - n, ended) for n in range(5)) == [0, 1, 2, 3, 4]
    assert ended == [4, 3, 2, 1, 0], "at the same time"


async def test_an_error_is_raised_once_those_beside_it_have_ended():
    ended: list[int] = []
    with pytest.raises(LookupError):
        await side_by_side([_value(1, 0, ended, LookupError()), _value(2, 20, ended)])
    assert ended == [1, 2]
