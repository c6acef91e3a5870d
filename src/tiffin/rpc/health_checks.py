"""Asks every address of a service, again and again, whether it serves: a hint for the choice."""

import asyncio
from collections.abc import Sequence

import structlog

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.connection import CallLost
from tiffin.rpc.context import new_context
from tiffin.rpc.pool import Pool
from tiffin.rpc.retries import Chance
from tiffin.rpc.wire import RpcBug, services

INTERVAL_S = 1.0
"""Between two rounds: from half of it to one and a half, so that many clients do not ask at once."""
ANSWER_MS = 1_000

_log = structlog.get_logger()


async def check(service: str, pools: Sequence[Pool], clock: Clock) -> None:
    """One round: every address at the same time, one question each."""
    await asyncio.gather(*(_check(service, pool, clock) for pool in pools))


def watch(service: str, pools: Sequence[Pool], clock: Clock, chance: Chance) -> asyncio.Task[None]:
    """Rounds until the task is cancelled."""

    async def rounds() -> None:
        while True:
            await check(service, pools, clock)
            await asyncio.sleep(INTERVAL_S * (0.5 + chance()))

    return asyncio.get_running_loop().create_task(rounds(), name=f"health of {service}")


async def _check(service: str, pool: Pool, clock: Clock) -> None:
    context = new_context("system", "health", clock(), ANSWER_MS)
    try:
        report = await pool.ask_health(
            services[service]["health"], context, c.HealthQuery(), ANSWER_MS / 1000
        )
        healthy, why = report.state == "serving", str(report.state)
    except (CallLost, Refusal, Unavailable, RpcBug) as error:
        healthy, why = False, str(error)
    if healthy != pool.healthy:
        _log.info("rpc_health", service=service, address=pool.name, healthy=healthy, why=why)
        pool.healthy = healthy
        if healthy:
            pool.came_back()
