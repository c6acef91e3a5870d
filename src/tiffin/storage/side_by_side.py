"""Several things at the same time, as statements on several nodes, to the end of all of them."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

Result = TypeVar("Result")


async def side_by_side(works: Iterable[Awaitable[Result]]) -> list[Result]:
    """The results, in order. The first error of them is raised once all have ended: nothing goes on behind
    the back of who tries again."""
    results = await asyncio.gather(*works, return_exceptions=True)
    done: list[Result] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done
