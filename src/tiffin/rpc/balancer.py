"""Which address a call goes to: of those that are healthy the one with the fewest calls of ours under way.

When all are full a bounded number of calls waits, first come, first served; more are refused at once.
"""

import asyncio
from collections.abc import Sequence

from tiffin.primitives.errors import Unavailable
from tiffin.rpc.addresses import Address
from tiffin.rpc.pool import ClientLimits, Pool

RETRY_AFTER_MIN_MS = 100


class Balancer:
    """The addresses of one service, and the calls that wait for a place."""

    def __init__(self, service: str, addresses: Sequence[Address], limits: ClientLimits) -> None:
        self._loop = asyncio.get_running_loop()
        self._service = service
        self._waiting_max = limits.waiting_max
        self._waiting: dict[asyncio.Future[Pool], None] = {}
        self._turn = 0
        self._closed = False
        self.pools = [Pool(service, address, limits, self._hand_on) for address in addresses]

    def take(self, avoid: Pool | None = None) -> Pool | None:
        """A place, if one is free now and nobody waits for it. Who failed just now, `avoid`, comes last among
        equals. `Unavailable` if every address is being left alone."""
        if self._closed:
            raise self._refused("shutting_down", "this client was closed")
        return None if self._waiting else self._find(avoid)

    async def wait(self, until: float) -> Pool:
        """A place as soon as there is one. `Unavailable` if too many wait, none comes by `until` (a moment of
        the loop's clock), or every address is left alone by then."""
        if len(self._waiting) >= self._waiting_max:
            raise self._refused("overloaded", "too many calls are waiting")
        place: asyncio.Future[Pool] = self._loop.create_future()
        self._waiting[place] = None
        timer = self._loop.call_at(until, self._expire, place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                place.result().give_back()
            raise
        finally:
            timer.cancel()
            self._waiting.pop(place, None)

    def close(self) -> None:
        """Calls under way are lost, and who waits is refused."""
        self._closed = True
        for place in list(self._waiting):
            self._refuse(place, self._refused("shutting_down", "this client was closed"))
        for pool in self.pools:
            pool.close()

    def _find(self, avoid: Pool | None) -> Pool | None:
        best, best_rank, all_rest = None, (True, True, 0), True
        self._turn += 1
        for at in range(len(self.pools)):
            pool = self.pools[(self._turn + at) % len(self.pools)]  # equals take turns
            if pool.rest_s() is not None:
                continue
            all_rest = False
            rank = (not pool.healthy, pool is avoid, pool.in_flight)
            if not pool.is_full and (best is None or rank < best_rank):
                best, best_rank = pool, rank
        if all_rest:
            raise self._resting()
        if best is not None:
            best.take()
        return best

    def _hand_on(self) -> None:
        """A place may have become free: to whoever waits longest. If no address is to be had, to nobody."""
        while self._waiting:
            place = next(iter(self._waiting))
            try:
                pool = self._find(None)
            except Unavailable as refused:
                self._refuse(place, refused)
                continue
            if pool is None:
                return
            del self._waiting[place]
            if place.done():
                pool.give_back()
            else:
                place.set_result(pool)

    def _expire(self, place: asyncio.Future[Pool]) -> None:
        self._refuse(place, self._refused("overloaded", "no place became free in time; nothing was done"))

    def _refuse(self, place: asyncio.Future[Pool], refused: Unavailable) -> None:
        self._waiting.pop(place, None)
        if not place.done():
            place.set_exception(refused)

    def _resting(self) -> Unavailable:
        rest_s = min(pool.rest_s() or 0.0 for pool in self.pools)
        retry_after_ms = max(int(rest_s * 1000), RETRY_AFTER_MIN_MS)
        return self._refused("unreachable", "does not answer, and is left alone for now", retry_after_ms)

    def _refused(self, code: str, why: str, retry_after_ms: int = 1000) -> Unavailable:
        return Unavailable(code, f"{self._service}: {why}", retry_after_ms)
