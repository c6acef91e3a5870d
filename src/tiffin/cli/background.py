"""Work that goes on beside requests: loops that survive their failures and end by cancellation."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any

import structlog

from tiffin.sharding.router import Router
from tiffin.storage.node import Node

Work = Coroutine[Any, Any, None]
"""Something that goes on for ever, until it is cancelled."""

_log = structlog.get_logger()


async def every(interval_s: float, name: str, job: Callable[[], Awaitable[bool]]) -> None:
    """Do `job` for ever: again at once while it answers that there is more, otherwise after the interval."""
    while True:
        try:
            more = await job()
        except Exception:
            _log.exception("background_job_failed", job=name)
            more = False
        if not more:
            await asyncio.sleep(interval_s)


async def on_each_node(router: Router, work: Callable[[Node], Work]) -> None:
    """Do this work on every node there is: it begins on a node that is new, and ends on one that leaves."""
    at_work: dict[Node, asyncio.Task[None]] = {}
    try:
        while True:
            nodes = router.nodes
            await _end([at_work.pop(node) for node in at_work.keys() - set(nodes)])
            for node in nodes:
                if node not in at_work:
                    at_work[node] = asyncio.create_task(work(node))
            await router.other_nodes(nodes)
    finally:
        await _end(at_work.values())


async def on_all_nodes(router: Router, work: Callable[[Sequence[Node]], Work]) -> None:
    """Do this work for all nodes together: it is begun anew when there are others."""
    while True:
        nodes = router.nodes
        task = asyncio.create_task(work(nodes))
        try:
            await router.other_nodes(nodes)
        finally:
            await _end([task])


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
