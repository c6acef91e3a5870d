"""The way back of a backfill: every order of the source is taken away again."""

from collections.abc import Callable

from tiffin.migration.orders import LegacyOrders
from tiffin.migration.pacing import Tell, patiently, tell_nobody
from tiffin.migration.record import Record
from tiffin.migration.sources import ROWS_MAX
from tiffin.migration.stages import MigrationError
from tiffin.rpc import contracts as c


async def undo_backfill(
    name: str,
    orders: LegacyOrders,
    record: Record,
    context: Callable[[], c.CallContext],
    tell: Tell = tell_nobody,
) -> int:
    """Take all orders of a source away. Cut short, it is gone on with by calling it again. How many.

    `MigrationError` while anybody counts on them: while they are written, read or decided about here.
    """
    migration = await record.get(name)
    if migration.stage == "finished":
        raise MigrationError(f"{name} is finished: there is no way back")
    if migration.authority == "new" or migration.read_share or migration.read_customers:
        raise MigrationError(f"{name}: orders are read or decided about in Tiffin: undo that first")
    if migration.dual_write:
        raise MigrationError(f"{name}: changes are being written to Tiffin: undo dual-write first")
    await record.note(name, "undoing the backfill")
    removed, refused = 0, 0
    cursor: str | None = None
    while True:
        request = c.ListLegacy(source=name, cursor=cursor, limit=ROWS_MAX)
        page = await patiently(lambda request=request: orders.list_legacy(context(), request))
        if page.legacy_ids:
            refs = c.LegacyRefs(source=name, legacy_ids=page.legacy_ids)
            done = await patiently(lambda refs=refs: orders.disown(context(), refs))
            removed += sum(result.outcome == "removed" for result in done.results)
            refused += sum(result.outcome == "refused" for result in done.results)
            tell("orders taken away", removed, max(migration.taken, removed))
        cursor = page.next_cursor
        if cursor is None:
            break
    if refused:
        raise MigrationError(f"{name}: {refused} orders are in Tiffin's hands and stay; {removed} are gone")
    await record.rewind(name)
    await record.change(name, f"backfill undone: {removed} orders taken away", stage="planned")
    return removed
