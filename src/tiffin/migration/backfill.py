"""Copying what the source has, in chunks by its key. Whoever is killed is gone on for by anybody.

The cursor in the record is a key up to which all rows have been adopted. Several at once do the same work
twice at worst: an order is adopted once.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tiffin.migration.mapping import Mapping
from tiffin.migration.orders import LegacyOrders
from tiffin.migration.pacing import Pace, Tell, patiently, tell_nobody
from tiffin.migration.record import Migration, Record
from tiffin.migration.rows import Row, RowError, convert, legacy_id
from tiffin.migration.sources import ROWS_MAX, Source
from tiffin.rpc import contracts as c


@dataclass(frozen=True)
class Backfill:
    """Copies, for one source. May raise `MigrationError`, and `Unavailable` if somebody is away for long."""

    mapping: Mapping
    source: Source
    orders: LegacyOrders
    record: Record
    context: Callable[[], c.CallContext]
    """Of the role `system`."""
    tell: Tell = tell_nobody

    async def run(self, rows_per_s: int | None = None) -> Migration:
        """Go on from the cursor to the end. Rows that come behind it later are for who follows changes."""
        name = self.mapping.name
        migration = await self.record.get(name)
        if migration.stage == "planned":
            migration = await self.record.change(
                name, "backfill begun", only_in=("planned", "backfilling", "backfilled"), stage="backfilling"
            )
        pace = Pace(self.source, self.mapping.source.busy, rows_per_s)
        rows: Sequence[Row] = await self._read(migration.cursor)
        while rows:
            await pace.step(len(rows))
            last = legacy_id(self.mapping, rows[-1])
            ahead = asyncio.create_task(self._read(last))
            try:
                taken, refused = await self._take(rows)
                if await self.record.advance(migration, last, taken, refused):
                    migration = migration._replace(
                        cursor=last, taken=migration.taken + taken, refused=migration.refused + refused
                    )
                    rows = await ahead
                else:  # somebody else is at it as well
                    migration = await self.record.get(name)
                    rows = await self._read(migration.cursor)
            finally:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
            self.tell("rows taken over", migration.taken + migration.refused, migration.rows)
        if (await self.record.get(name)).stage == "backfilling":
            migration = await self.record.change(
                name, f"backfill ended: {migration.taken} rows, {migration.refused} refused",
                only_in=("backfilling", "backfilled"), stage="backfilled",
            )  # fmt: skip
        return migration

    async def _read(self, after: str | None) -> Sequence[Row]:
        return await patiently(lambda: self.source.after(after, ROWS_MAX))

    async def _take(self, rows: Sequence[Row]) -> tuple[int, int]:
        """Adopt rows: how many were, how many could not be, which is noted with the reasons."""
        told, reasons = convert_all(self.mapping, rows)
        reasons |= await adopt_all(self.orders, self.context, self.mapping.name, told)
        await self.record.refuse(self.mapping.name, reasons)
        return len(rows) - len(reasons), len(reasons)


def convert_all(mapping: Mapping, rows: Sequence[Row]) -> tuple[list[c.LegacyOrder], dict[str, str]]:
    """Rows as Tiffin is told of them, and of the others why they cannot be, by old id."""
    told: list[c.LegacyOrder] = []
    reasons: dict[str, str] = {}
    for row in rows:
        try:
            told.append(convert(mapping, row))
        except RowError as error:
            reasons[legacy_id(mapping, row)] = str(error)
    return told, reasons


async def adopt_all(
    orders: LegacyOrders,
    context: Callable[[], c.CallContext],
    source: str,
    told: Sequence[c.LegacyOrder],
    *,
    repair: bool = False,
) -> dict[str, str]:
    """Have orders adopted, however many. Why some were refused, by old id."""
    reasons: dict[str, str] = {}
    for start in range(0, len(told), ROWS_MAX):
        request = c.AdoptOrders(source=source, orders=list(told[start : start + ROWS_MAX]), repair=repair)
        adopted = await patiently(lambda request=request: orders.adopt(context(), request))
        reasons |= {
            result.legacy_id: f"{result.code}: {result.message}"
            for result in adopted.results
            if result.outcome == "refused"
        }
    return reasons
