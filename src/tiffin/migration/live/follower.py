"""From old to new: fetches what has changed in the monolith's table, as it is now, and has it adopted.

Only keys are told of. The row is asked for when its key is fetched, so neither order nor repetition matters,
and a key is confirmed when its order is adopted: whoever dies in between fetches it again.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

import structlog

from tiffin.migration.live.desk import Desk
from tiffin.migration.orders import LegacyOrders
from tiffin.rpc import contracts as c

BATCH_MAX = 500
"""As many orders as `Orders.adopt` takes at once."""
KEYS_MAX = 2000

_log = structlog.get_logger()


class Told(NamedTuple):
    """What the table says of some keys."""

    orders: Sequence[c.LegacyOrder]
    gone: Sequence[str]
    """No such row, any more."""
    unreadable: Sequence[str]
    """Rows that the mapping can make nothing of. The comparison shows them, and why."""


class Handing(LegacyOrders, Protocol):
    """And what it takes for orders to change hands."""

    async def release(self, context: c.CallContext, request: c.OpenLegacy) -> c.OpenLegacyDone: ...

    async def hold(self, context: c.CallContext, request: c.OpenLegacy) -> c.OpenLegacyDone: ...


Ask = Callable[[Sequence[str]], Awaitable[Told]]


class Follower:
    """Fetches, for one source."""

    def __init__(
        self, desk: Desk, ask: Ask, orders: Handing, source: str, context: Callable[[], c.CallContext]
    ) -> None:
        self._desk = desk
        self._ask = ask
        self._orders = orders
        self._source = source
        self._context = context

    async def fetch(self) -> int:
        """Some changes, the oldest first. How many orders they were of; 0: nothing is waiting."""
        pending = await self._desk.pending(KEYS_MAX)
        for begin in range(0, len(pending.keys), BATCH_MAX):
            await self._take_over(pending.keys[begin : begin + BATCH_MAX])
        await self._desk.done(pending)
        return len(pending.keys)

    async def fetch_all(self) -> int:
        """Until nothing is waiting. How many."""
        total = 0
        while fetched := await self.fetch():
            total += fetched
        return total

    async def _take_over(self, keys: Sequence[str]) -> None:
        told = await self._ask(keys)
        if told.orders:
            await self._adopt(told.orders)
        if told.gone:
            refs = c.LegacyRefs(source=self._source, legacy_ids=list(told.gone))
            await self._orders.disown(self._context(), refs)
        if told.unreadable:
            _log.warning("legacy_rows_unreadable", source=self._source, legacy_ids=told.unreadable[:10])

    async def _adopt(self, orders: Sequence[c.LegacyOrder]) -> None:
        refused = await self._refused(orders)
        taken_over = {each.legacy_id for each in refused if each.code == "taken_over"}
        if taken_over:
            # A switch that was cut short has left orders in Tiffin's hands; or one has just been made.
            async with self._desk.share() as authority:
                if authority == "new":
                    return
                await hold_all(self._orders, self._context, self._source)
                refused = await self._refused([order for order in orders if order.legacy_id in taken_over])
        for each in refused:
            _log.warning(
                "legacy_order_refused", source=self._source, legacy_id=each.legacy_id, code=each.code,
                reason=each.message,
            )  # fmt: skip

    async def _refused(self, orders: Sequence[c.LegacyOrder]) -> list[c.AdoptedOrder]:
        request = c.AdoptOrders(source=self._source, orders=list(orders))
        adopted = await self._orders.adopt(self._context(), request)
        return [each for each in adopted.results if each.outcome == "refused"]


async def release_all(orders: Handing, context: Callable[[], c.CallContext], source: str) -> int:
    """Tiffin decides about all orders of a source that have not ended. How many changed hands."""
    return await _hand_over(orders.release, context, source)


async def hold_all(orders: Handing, context: Callable[[], c.CallContext], source: str) -> int:
    """The old system does."""
    return await _hand_over(orders.hold, context, source)


async def _hand_over(
    some: Callable[[c.CallContext, c.OpenLegacy], Awaitable[c.OpenLegacyDone]],
    context: Callable[[], c.CallContext],
    source: str,
) -> int:
    total = 0
    while True:
        done = await some(context(), c.OpenLegacy(source=source))
        total += len(done.order_ids)
        if not done.more:
            return total
