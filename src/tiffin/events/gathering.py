"""How long events gather before they are read: a batch costs much the same whatever its size."""

import asyncio

SOMEBODY_WAITS_MAX_S = 0.2
NOBODY_WAITS_MAX_S = 1.0
NOBODY_WAITS_S = 0.25
"""Who lets events of one node gather for so long has nobody waiting."""


def gathering_s(gather_s: float, nodes: int) -> float:
    """How long events gather on each of so many nodes, if it is `gather_s` on one: those of many nodes come
    less often each."""
    longest_s = SOMEBODY_WAITS_MAX_S if gather_s < NOBODY_WAITS_S else NOBODY_WAITS_MAX_S
    return max(gather_s, min(gather_s * nodes, longest_s))


async def gathered(interval_s: float) -> None:
    """Let events gather for about so long: until a moment that is the same for all readers of a process, so
    that those of several nodes come `Together`."""
    now_s = asyncio.get_running_loop().time()
    await asyncio.sleep(interval_s * 1.5 - (now_s + interval_s / 2) % interval_s if interval_s else 0)
