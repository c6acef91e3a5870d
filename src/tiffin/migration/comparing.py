"""Every row of the source against Tiffin: what is missing, what is too much, what differs and where.

Both sides may change meanwhile, and Tiffin hears of a change a moment later. So what differs at first sight
is looked at again: a difference is one that has lasted while its row in the source stayed as it was.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from tiffin.migration.backfill import adopt_all, convert_all
from tiffin.migration.mapping import TIMES
from tiffin.migration.mapping import Mapping as MappingFile
from tiffin.migration.orders import LegacyOrders
from tiffin.migration.pacing import Pace, Tell, patiently, tell_nobody
from tiffin.migration.rows import Row, legacy_id
from tiffin.migration.sources import ROWS_MAX, Source
from tiffin.rpc import contracts as c

Kind = Literal["missing", "extra", "differing", "unreadable"]

SAMPLES_MAX = 20
SUSPECTS_MAX = 5000
"""So many are looked at again together."""
LASTS_S = 10.0
"""A difference has lasted so long: longer than a follower is late."""
SETTLED_WITHIN_S = 120.0
LOOK_INTERVAL_S = 0.5


class FieldDifference(NamedTuple):
    """What a field is in the source, and in Tiffin."""

    field: str
    there: object
    here: object


class Difference(NamedTuple):
    """An order on which the two do not agree."""

    kind: Kind
    legacy_id: str
    fields: tuple[FieldDifference, ...] = ()
    reason: str = ""
    """Of a row that cannot be read."""


@dataclass
class Compared:
    """What came out."""

    rows: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter[Kind])
    by_field: Counter[str] = field(default_factory=Counter[str])
    differing: list[str] = field(default_factory=list[str])
    """Old ids of all differences."""
    samples: list[Difference] = field(default_factory=list[Difference])
    repaired: int = 0
    unsettled: int = 0
    """Rows that changed all the time."""

    @property
    def is_clean(self) -> bool:
        """Whether everything agrees, perhaps by having been repaired."""
        return self.repaired == self.kinds.total() and not self.unsettled

    def add(self, found: Difference) -> None:
        """One more."""
        self.kinds[found.kind] += 1
        self.by_field.update(each.field for each in found.fields)
        self.differing.append(found.legacy_id)
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append(found)


class _Look(NamedTuple):
    """An order on both sides at one moment."""

    there: c.LegacyOrder | None
    here: c.AsAdopted | None
    reason: str

    def difference(self, legacy_id: str) -> Difference | None:
        if self.reason:
            return Difference("unreadable", legacy_id, reason=self.reason)
        if self.there is None:
            return None if self.here is None else Difference("extra", legacy_id)
        if self.here is None:
            return Difference("missing", legacy_id)
        fields = differing_fields(self.there, self.here)
        return Difference("differing", legacy_id, fields) if fields else None


@dataclass(frozen=True)
class Comparison:
    """Compares, for one source. May raise `Unavailable` if somebody is away for long."""

    mapping: MappingFile
    source: Source
    orders: LegacyOrders
    context: Callable[[], c.CallContext]
    """Of the role `system`."""
    tell: Tell = tell_nobody
    lasts_s: float = LASTS_S
    settled_within_s: float = SETTLED_WITHIN_S

    async def run(self, *, repair: bool = False, rows_per_s: int | None = None, rows: int = 0) -> Compared:
        """Everything: the source's rows by their key, then Tiffin's old ids. `rows`: how many to expect."""
        found = Compared()
        pace = Pace(self.source, self.mapping.source.busy, rows_per_s)
        suspects: set[str] = set()
        async with aclosing(self._pages(pace)) as pages:
            async for page in pages:
                found.rows += len(page)
                suspects.update(await self._suspects(page))
                if len(suspects) >= SUSPECTS_MAX:
                    await self._settle(suspects, found, repair)
                    suspects = set()
                self.tell("rows compared", found.rows, max(rows, found.rows))
        suspects.update(await self._extra(pace))
        await self._settle(suspects, found, repair)
        return found

    async def of_keys(self, keys: Sequence[str], *, repair: bool = False) -> Compared:
        """Only these."""
        found = Compared(rows=len(keys))
        looks = await self._look(keys)
        await self._settle({key for key in keys if looks[key].difference(key)}, found, repair)
        return found

    async def _pages(self, pace: Pace) -> AsyncGenerator[Sequence[Row]]:
        """The source's rows by their key; the next ones are read while the last are looked at."""
        page = await self._page_after(None)
        while page:
            await pace.step(len(page))
            ahead = asyncio.create_task(self._page_after(legacy_id(self.mapping, page[-1])))
            try:
                yield page
                page = await ahead
            finally:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    async def _page_after(self, key: str | None) -> Sequence[Row]:
        return await patiently(lambda: self.source.after(key, ROWS_MAX))

    async def _suspects(self, page: Sequence[Row]) -> list[str]:
        """Old ids of rows that differ at first sight."""
        told, reasons = convert_all(self.mapping, page)
        here = await self._here([order.legacy_id for order in told])
        looks = [(order.legacy_id, _Look(order, here.get(order.legacy_id), "")) for order in told]
        return [*reasons, *(key for key, look in looks if look.difference(key))]

    async def _extra(self, pace: Pace) -> set[str]:
        """Old ids that Tiffin has and the source, as it seems, has not."""
        extra: set[str] = set()
        cursor: str | None = None
        while True:
            request = c.ListLegacy(source=self.mapping.name, cursor=cursor, limit=ROWS_MAX)
            page = await patiently(lambda request=request: self.orders.list_legacy(self.context(), request))
            if page.legacy_ids:
                await pace.step(len(page.legacy_ids))
                there = await patiently(lambda page=page: self.source.existing(page.legacy_ids))
                extra.update(set(page.legacy_ids).difference(there))
            cursor = page.next_cursor
            if cursor is None:
                return extra

    async def _settle(self, suspects: set[str], found: Compared, repair: bool) -> None:
        """Look again at what differed, until it does no more or has done so for long enough."""
        differences = await self._lasting(suspects, found)
        for difference in differences:
            found.add(difference)
        if repair and differences:
            await self._repair(differences)
            still = await self._look([difference.legacy_id for difference in differences])
            found.repaired += sum(
                still[each.legacy_id].difference(each.legacy_id) is None for each in differences
            )

    async def _lasting(self, suspects: set[str], found: Compared) -> list[Difference]:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self.settled_within_s
        since: dict[str, tuple[float, c.LegacyOrder | None]] = {}
        lasting: list[Difference] = []
        while suspects:
            looks = await self._look(sorted(suspects))
            now_s = loop.time()
            for suspect, look in looks.items():
                difference = look.difference(suspect)
                began_s, there = since.get(suspect, (now_s, look.there))
                if difference is None:
                    suspects.discard(suspect)
                elif look.there != there:
                    since[suspect] = now_s, look.there
                elif now_s - began_s >= self.lasts_s:
                    lasting.append(difference)
                    suspects.discard(suspect)
                else:
                    since[suspect] = began_s, there
            if suspects and now_s >= until_s:
                found.unsettled += len(suspects)
                break
            if suspects:
                await asyncio.sleep(min(LOOK_INTERVAL_S, self.lasts_s or LOOK_INTERVAL_S))
        return sorted(lasting, key=lambda each: each.legacy_id)

    async def _repair(self, differences: Sequence[Difference]) -> None:
        """Make Tiffin as the source is now."""
        name = self.mapping.name
        for some in _parts([each.legacy_id for each in differences if each.kind != "extra"]):
            rows = await patiently(lambda some=some: self.source.of_keys(some))
            told, _ = convert_all(self.mapping, rows)
            await adopt_all(self.orders, self.context, name, told, repair=True)
        for some in _parts([each.legacy_id for each in differences if each.kind == "extra"]):
            request = c.LegacyRefs(source=name, legacy_ids=list(some))
            await patiently(lambda request=request: self.orders.disown(self.context(), request))

    async def _look(self, keys: Sequence[str]) -> dict[str, _Look]:
        """Tiffin first: what it has then, the source has had."""
        looks: dict[str, _Look] = {}
        for some in _parts(keys):
            here = await self._here(some)
            rows = await patiently(lambda some=some: self.source.of_keys(some))
            told, reasons = convert_all(self.mapping, rows)
            there = {order.legacy_id: order for order in told}
            looks |= {key: _Look(there.get(key), here.get(key), reasons.get(key, "")) for key in some}
        return looks

    async def _here(self, keys: Sequence[str]) -> Mapping[str, c.AsAdopted]:
        if not keys:
            return {}
        request = c.LegacyRefs(source=self.mapping.name, legacy_ids=list(keys))
        known = await patiently(lambda: self.orders.adopted(self.context(), request))
        return {each.order.legacy_id: each for each in known.orders}


def differing_fields(there: c.LegacyOrder, here: c.AsAdopted) -> tuple[FieldDifference, ...]:
    """Fields in which an order is not the same. Of a customer who was forgotten, none that names them."""
    if there == here.order:  # nearly always, and many times cheaper than field by field
        return ()
    ours, theirs = _comparable(here.order), _comparable(there)
    passed_over = {"revision", "address", "note"} if here.erased else {"revision"}
    return tuple(
        FieldDifference(name, value, ours[name])
        for name, value in theirs.items()
        if name not in passed_over and value != ours[name]
    )


def _comparable(order: c.LegacyOrder) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.structs.asdict(order)
    for name in TIMES:
        told[name] = datetime.fromisoformat(told[name]) if told[name] else None
    told["lines"] = told["lines"] or []
    return told


def _parts(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[start : start + ROWS_MAX] for start in range(0, len(keys), ROWS_MAX))
