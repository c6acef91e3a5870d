"""Taking over the orders of another system: once for each of its ids, whatever comes twice, late or half.

First the old id is claimed, in a shard of its own, together with the number that is reserved for the order;
then the order is made with exactly that number. Whoever finds a claim without an order makes it. Should two
numbers ever be reserved for one old id, the order's idempotency key lets only one order be.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import remaining_s
from tiffin.services.orders import legacy
from tiffin.services.orders.legacy import Adoption, Outcome
from tiffin.services.orders.legacy_statements import Claim
from tiffin.services.orders.legacy_store import LegacyStore
from tiffin.services.orders.order import OrderRow, details_of, to_contract
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.states import TERMINAL
from tiffin.services.orders.store import OrderStore
from tiffin.services.orders.transition import Command
from tiffin.sharding import order_id as ids
from tiffin.sharding.sequence import Sequence as OrderNumbers
from tiffin.sharding.slots import SHARDS, slot_of
from tiffin.storage.side_by_side import side_by_side

TRIES_MAX = 8
"""An order that somebody else changes each time is given up after so many."""


@dataclass(frozen=True, slots=True)
class _Place:
    """The order of an old id, and how it is here, if it is."""

    order_id: int
    row: OrderRow | None


class AdoptionDesk:
    """The methods of `idl/orders.thrift` that are about orders of other systems."""

    def __init__(self, store: OrderStore, numbers: OrderNumbers, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._legacy: LegacyStore = store.legacy
        self._numbers = numbers
        self._clock = clock
        self._policy = policy

    async def adopt(self, context: c.CallContext, request: c.AdoptOrders) -> c.Adopted:
        """Take orders over, or their news. Of an id that comes several times the latest revision counts."""
        within_s = _check(context, self._clock)
        latest: dict[str, c.LegacyOrder] = {}
        for told in request.orders:
            if told.legacy_id not in latest or latest[told.legacy_id].revision <= told.revision:
                latest[told.legacy_id] = told
        results: dict[str, c.AdoptedOrder] = {}
        for _ in range(TRIES_MAX):
            waiting = {legacy_id: told for legacy_id, told in latest.items() if legacy_id not in results}
            if not waiting:
                return c.Adopted(
                    results=[
                        results[told.legacy_id]
                        if latest[told.legacy_id] is told
                        else _older(results[told.legacy_id])
                        for told in request.orders
                    ]
                )
            results |= await self._adopt(context, request, waiting, within_s)
        raise Unavailable("contended", "orders keep changing under this request")

    async def legacy(self, context: c.CallContext, request: c.LegacyRefs) -> c.KnownLegacyList:
        """Which orders old ids are. A claim without its order yet is not there yet."""
        known: list[c.KnownLegacy] = []
        for row in await self._rows(context, request):
            details = details_of(row)
            if origin := details.origin:
                order = to_contract(row, details)
                known.append(
                    c.KnownLegacy(
                        legacy_id=origin.legacy_id, order_id=order.id, held=origin.held,
                        revision=origin.revision, order=order,
                    )
                )  # fmt: skip
        return c.KnownLegacyList(orders=known)

    async def adopted(self, context: c.CallContext, request: c.LegacyRefs) -> c.AsAdoptedList:
        """The same in the terms in which they came."""
        told = [legacy.as_adopted(row) for row in await self._rows(context, request)]
        return c.AsAdoptedList(orders=[each for each in told if each is not None])

    async def list_legacy(self, context: c.CallContext, request: c.ListLegacy) -> c.LegacyPage:
        """A page of old ids, shard after shard."""
        _check(context, self._clock)
        found: list[str] = []
        shard, after = _cursor(request.cursor)
        while shard < SHARDS:
            found += await self._legacy.page(request.source, shard, after, request.limit - len(found))
            if len(found) == request.limit:
                return c.LegacyPage(legacy_ids=found, next_cursor=f"{shard} {found[-1]}")
            shard, after = shard + 1, ""
        return c.LegacyPage(legacy_ids=found)

    async def release(self, context: c.CallContext, request: c.OpenLegacy) -> c.OpenLegacyDone:
        """The platform decides from now on, about some orders that have not ended."""
        return await self._hand(context, request, to_platform=True)

    async def hold(self, context: c.CallContext, request: c.OpenLegacy) -> c.OpenLegacyDone:
        """The old system decides again, about some orders that have not ended."""
        return await self._hand(context, request, to_platform=False)

    async def disown(self, context: c.CallContext, request: c.LegacyRefs) -> c.Disowned:
        """Take orders away: first the order, then its id. Cut short, the next call goes on from the id."""
        within_s = _check(context, self._clock)
        wanted = list(dict.fromkeys(request.legacy_ids))
        claimed = await self._legacy.claimed(request.source, wanted)
        rows = {row.id: row for row in await self._store.get_many(list(claimed.values()))}
        command = Command("disowned", context.caller, context.request_id)

        async def one(legacy_id: str) -> c.DisownedOrder:
            if legacy_id not in claimed:
                return c.DisownedOrder(legacy_id=legacy_id, outcome="absent")
            order_id = claimed[legacy_id]
            row = rows.get(order_id)
            if row is not None:
                try:
                    gone = legacy.disown(row, command, self._clock())
                except Refusal as refusal:
                    return c.DisownedOrder(
                        legacy_id=legacy_id, outcome="refused", code=refusal.code, message=refusal.message
                    )
                if not await self._legacy.disown(gone, within_s):
                    raise Unavailable("contended", "an order has changed meanwhile; ask again")
            await self._legacy.unclaim(Claim(request.source, legacy_id, order_id), within_s)
            return c.DisownedOrder(legacy_id=legacy_id, outcome="removed")

        return c.Disowned(results=await side_by_side([one(legacy_id) for legacy_id in wanted]))

    async def _adopt(
        self, context: c.CallContext, request: c.AdoptOrders, waiting: Mapping[str, c.LegacyOrder],
        within_s: float,
    ) -> dict[str, c.AdoptedOrder]:  # fmt: skip
        """One try of each. What somebody else has changed meanwhile is left out."""
        command = Command("adopted", context.caller, context.request_id)
        places = await self._places(request.source, waiting, within_s)

        async def one(told: c.LegacyOrder) -> c.AdoptedOrder | None:
            place = places[told.legacy_id]
            try:
                outcome, adoption = legacy.adopt(
                    place.row, place.order_id, request.source, told, request.repair, command, self._clock()
                )
            except Refusal as refusal:
                return c.AdoptedOrder(
                    legacy_id=told.legacy_id, outcome="refused", code=refusal.code, message=refusal.message,
                    order_id=str(place.order_id) if place.row else None,
                )  # fmt: skip
            if adoption is not None and not await self._write(request.source, told, adoption, within_s):
                return None
            return _result(told.legacy_id, outcome, place.order_id)

        done = await side_by_side([one(told) for told in waiting.values()])
        return {result.legacy_id: result for result in done if result is not None}

    async def _write(self, source: str, told: c.LegacyOrder, adoption: Adoption, within_s: float) -> bool:
        try:
            return await self._legacy.adopt(adoption, within_s)
        except asyncpg.UniqueViolationError:
            there = await self._store.by_key(told.customer_id, legacy.idempotency_key(source, told.legacy_id))
            if there is None:  # taken away meanwhile
                return False
            await self._legacy.reclaim(Claim(source, told.legacy_id, there.id))
            return False

    async def _places(
        self, source: str, waiting: Mapping[str, c.LegacyOrder], within_s: float
    ) -> dict[str, _Place]:
        """The order of each old id, with a number that is reserved now where it has none."""
        claimed = await self._legacy.claimed(source, list(waiting))
        reserved: dict[str, Claim] = {}
        for legacy_id, told in waiting.items():
            if legacy_id not in claimed:
                slots = slot_of(told.customer_id), slot_of(told.restaurant_id)
                reserved[legacy_id] = Claim(source, legacy_id, ids.make(await self._numbers.take(), *slots))
        got = await side_by_side([self._legacy.claim(claim, within_s) for claim in reserved.values()])
        claimed |= dict(zip(reserved, got, strict=True))
        fresh = {claim.order_id for claim in reserved.values()}.intersection(got)
        rows = await self._store.get_many(
            [order_id for order_id in claimed.values() if order_id not in fresh]
        )
        by_id = {row.id: row for row in rows}
        return {legacy_id: _Place(order_id, by_id.get(order_id)) for legacy_id, order_id in claimed.items()}

    async def _rows(self, context: c.CallContext, request: c.LegacyRefs) -> list[OrderRow]:
        _check(context, self._clock)
        claimed = await self._legacy.claimed(request.source, list(dict.fromkeys(request.legacy_ids)))
        return await self._store.get_many(list(claimed.values()))

    async def _hand(
        self, context: c.CallContext, request: c.OpenLegacy, *, to_platform: bool
    ) -> c.OpenLegacyDone:
        within_s = _check(context, self._clock)
        found = await self._legacy.open_of(request.source, to_platform, request.limit)
        rows = {row.id: row for row in await self._store.get_many(found)}
        command = Command("handed", context.caller, context.request_id)
        hand = legacy.take_over if to_platform else legacy.hand_back

        async def one(order_id: int) -> int | None:
            row = rows.get(order_id)
            adoption = hand(row, self._policy, command, self._clock()) if row else None
            if row is None or (to_platform and row.state in TERMINAL):
                await self._legacy.forget_open(ids.customer_shard(order_id), order_id)
            elif adoption and await self._legacy.adopt(adoption, within_s):
                return order_id
            return None

        done = await side_by_side([one(order_id) for order_id in found])
        return c.OpenLegacyDone(order_ids=[str(each) for each in done if each], more=bool(found))


def _check(context: c.CallContext, clock: Clock) -> float:
    """Seconds that are left. Only for the platform's own parts."""
    within_s = remaining_s(context, clock)
    if context.caller.role not in ("operator", "system"):
        raise Refusal("forbidden", "only for the platform's own parts")
    return within_s


def _cursor(text: str | None) -> tuple[int, str]:
    if text is None:
        return 0, ""
    shard, blank, after = text.partition(" ")
    if not (blank and shard.isdecimal() and len(shard) <= 3 and int(shard) < SHARDS):
        raise Refusal("invalid_cursor", "not a cursor that a page of old ids has given")
    return int(shard), after


def _result(legacy_id: str, outcome: Outcome, order_id: int) -> c.AdoptedOrder:
    return c.AdoptedOrder(legacy_id=legacy_id, outcome=outcome, order_id=str(order_id))


def _older(result: c.AdoptedOrder) -> c.AdoptedOrder:
    """The answer to an older word of the same request."""
    return c.AdoptedOrder(legacy_id=result.legacy_id, outcome="stale", order_id=result.order_id)
