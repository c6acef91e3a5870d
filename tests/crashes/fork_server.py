"""A program: makes a new process for every job, so that each dies and begins for itself, at little cost.

Jobs come as lines of JSON; what processes tell goes out as lines of JSON, `{"ended": <status>}` last.
"""

import asyncio
import gc
import logging
import os
import sys
import traceback
from typing import Any

import msgspec
import structlog

from crashes import sites
from crashes.outcome import missing, outcome, unaccounted
from crashes.seam import Crash, Seam
from crashes.ways import WAYS
from crashes.world import DAY_S, Place, World

ROUNDS_MAX = 3
"""Within so many rounds of the platform's own work everything has to be in order."""
_STATEMENTS, _FOREIGN = sites.statements(), sites.foreign()


class Task(msgspec.Struct):
    """An order to go a way with, and what is known of it."""

    way: str
    order_id: str
    after: int
    """The line of the provider's statement from which on the order may be in it."""
    acknowledged: list[list[str]] = []
    ends: dict[str, Any] | None = None
    """How it has to stand in the end; None: to be found out."""


class Job(msgspec.Struct):
    """What a process does: go on from where another died, then go a way of its own, and die on it. Or go ways
    to their ends, one after the other, and tell of every passage."""

    learn: list[Task] = []
    recover: Task | None = None
    go: Task | None = None
    crash: Crash | None = None


def _tell(**told: Any) -> None:
    os.write(1, msgspec.json.encode(told) + b"\n")


async def _work(place: Place, job: Job) -> None:
    dying = lambda passages: _tell(died_at=passages)  # noqa: E731
    seam = Seam(_STATEMENTS, _FOREIGN, str(sites.SERVICES), dying)
    seam.install()
    async with World.open(place, seam) as world:
        world.acknowledged = lambda what, of: _tell(acknowledged=[what, of])
        for task in job.learn:
            await _go(world, task, None)
            passed = seam.passed
            seam.disarm()
            _tell(learned=task.way, passed=passed, recovered=await _recover(world, task))
        if job.recover is not None:
            _tell(recovered=await _recover(world, job.recover))
        if job.go is not None:
            await _go(world, job.go, job.crash)
        _tell(unknown=sorted(seam.unknown))


def _turn_to(world: World, task: Task) -> str | None:
    way = WAYS[task.way]
    world.about(task.order_id, way.at_once, way.naming)
    return way.loses


async def _go(world: World, task: Task, crash: Crash | None) -> None:
    world.seam.lose = _turn_to(world, task)
    world.seam.arm(crash)
    await WAYS[task.way].go(world)


async def _recover(world: World, task: Task) -> dict[str, Any]:
    """The platform by itself, until nothing is unaccounted for; then whoever asked asks again, by the same
    keys; then it all comes to rest."""
    _turn_to(world, task)
    wrong: list[str] = []
    for _ in range(ROUNDS_MAX):
        await world.round()
        wrong = await unaccounted(world, task.after)
        if not wrong:
            break
    wrong += await missing(world, task.acknowledged)
    await WAYS[task.way].go(world)
    for _ in range(ROUNDS_MAX):
        await world.round()
        await world.work(8 * DAY_S)  # cases are filed
        await world.hear()
        ends = await outcome(world, task.after)
        if task.ends is not None and _text(ends) == _text(task.ends):
            break
    return {"wrong": wrong + await unaccounted(world, task.after), "outcome": ends}


def _text(ends: dict[str, Any]) -> bytes:
    """JSON, in which a tuple is a list."""
    return msgspec.json.encode(ends)


def _child(place: Place, line: bytes) -> None:
    status = 1
    try:
        asyncio.run(_work(place, msgspec.json.decode(line, type=Job)))
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def main() -> None:
    """One job after the other."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    place = Place(*sys.argv[1:])
    gc.freeze()
    for line in sys.stdin.buffer:
        child = os.fork()
        if not child:
            _child(place, line)
        _tell(started=child)
        _tell(ended=os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
