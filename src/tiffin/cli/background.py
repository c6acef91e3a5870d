"""Work that goes on beside requests: loops that survive their failures and end by cancellation."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

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
