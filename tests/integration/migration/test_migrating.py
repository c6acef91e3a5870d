"""Orders of an old shop: planned, copied whoever dies meanwhile, compared, repaired, taken away again."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import backfill_victim
from old_shop import OldShop, mapping_of
from old_side import Side, context, now
from tiffin.audit.audit import audit
from tiffin.migration.mapping import read_mapping
from tiffin.migration.planning import plan
from tiffin.migration.sources.opening import open_source
from tiffin.migration.stages import MigrationError
from tiffin.rpc import contracts as c
from tiffin.services.orders.patrol import walk
from tiffin.services.orders.reconciler import Findings, Reconciler
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

ONCE = pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
"""What is the same whatever the old shop is."""
ROWS = 1200
"""Several chunks, the last of them not whole."""
DEADLINE_S = 60

Migrate = Callable[[int], Coroutine[Any, Any, Side]]


async def killed_backfill(place: Node, side: Side, rows_per_s: int) -> None:
    """A process that copies, killed when it has copied something and not all."""
    assert backfill_victim.__file__
    process = await asyncio.create_subprocess_exec(
        sys.executable, backfill_victim.__file__, place.url, side.name, str(rows_per_s),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip().isdigit()
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def assert_nothing_differs(place: Node, orders: int | None = None) -> None:
    """The audit finds nothing, and the reconciler no copy that is not as the truth."""

    async def pass_over(first: int, found: Findings) -> None:
        pass

    router = await Router.open([place])
    found = await walk(Reconciler(router, now), pass_over)
    assert (found.differences, found.unsettled) == ([], 0)
    report = await audit(router, now, wait_s=DEADLINE_S)
    assert report.is_clean, report.differences[:5]
    assert orders is None or report.checked["orders"] >= orders


async def orders_of(side: Side) -> int:
    """How many old ids of the source there are here."""
    seen: set[str] = set()
    cursor: str | None = None
    while True:
        page = await side.orders.list_legacy(context(), c.ListLegacy(source=side.name, cursor=cursor))
        seen.update(page.legacy_ids)
        cursor = page.next_cursor
        if cursor is None:
            return len(seen)


async def test_a_plan_says_what_fits_and_what_would_be_left_behind(shop: OldShop) -> None:
    await shop.fill(600)
    await shop.execute("UPDATE orders SET street = '' WHERE id = 7")
    await shop.execute("UPDATE orders SET items = 'soup' WHERE id IN (5, 595)")
    mapping = read_mapping(mapping_of(shop))
    source = open_source(mapping)
    found = await plan(mapping, source)
    assert (found.problems, found.rows, found.checked) == ([], 600, 600)
    assert sum(found.reasons.values()) == 2
    assert [bad.legacy_id for bad in found.samples] == ["5", "595"]
    assert {count.value: count.rows for count in found.states}["dead"] == 60
    await shop.execute("UPDATE orders SET status = 'lost' WHERE id < 4")
    (problem,) = (await plan(mapping, source)).problems
    assert problem.kind == "unmapped_state"
    assert "'lost' is in 3 rows" in problem.what
    await source.close()


async def test_a_column_that_is_not_there_is_found_before_anything_is_copied(shop: OldShop) -> None:
    mapping = read_mapping(mapping_of(shop).replace('"rider_id"', '"driver_id"'))
    source = open_source(mapping)
    (problem,) = (await plan(mapping, source)).problems
    assert (problem.kind, "driver_id" in problem.what) == ("unknown_column", True)
    await source.close()


async def test_a_backfill_that_was_killed_is_gone_on_with_and_copies_each_order_once(
    migrate: Migrate, new_place: Node, shop: OldShop
) -> None:
    side = await migrate(ROWS)
    await killed_backfill(new_place, side, 2000)
    done = await side.backfill()
    assert (done.stage, done.taken, done.refused, done.cursor) == ("backfilled", ROWS, 0, str(ROWS))
    assert await orders_of(side) == ROWS
    found = await side.compare()
    assert (found.rows, found.kinds.total(), found.is_clean) == (ROWS, 0, True)


@ONCE
async def test_several_backfills_at_once_are_harmless(migrate: Migrate, new_place: Node) -> None:
    side = await migrate(ROWS)
    others = [await Side.open(new_place, side.name) for _ in range(2)]
    await asyncio.gather(*(each.backfill() for each in (side, *others)))
    assert (await side.record.get(side.name)).taken == ROWS
    assert await orders_of(side) == ROWS
    assert (await side.compare()).is_clean
    for other in others:
        await other.close()


async def test_rows_that_cannot_be_taken_are_noted_and_stop_nothing(migrate: Migrate, shop: OldShop) -> None:
    side = await migrate(600)
    await shop.execute("UPDATE orders SET items = '{' WHERE id = 300")
    done = await side.backfill()
    assert (done.taken, done.refused) == (599, 1)
    ((legacy_id, reason),) = await side.record.refused(side.name, 10)
    assert (legacy_id, "JSON" in reason) == ("300", True)
    found = await side.compare()
    assert (dict(found.kinds), found.is_clean) == ({"unreadable": 1}, False)


async def test_rows_are_found_by_their_keys_and_what_can_be_no_key_is_none(migrate: Migrate) -> None:
    side = await migrate(20)
    asked = ["3", "x", "17", "99999999999999999999", "21", "-1"]
    assert await side.source.existing(asked) == {"3", "17"}
    assert sorted(row["id"] for row in await side.source.of_keys(asked)) == [3, 17]


async def test_every_planted_difference_is_found_by_its_kind_and_field_and_repaired(
    migrate: Migrate, shop: OldShop
) -> None:
    side = await migrate(ROWS)
    await side.backfill()
    await shop.execute(
        "UPDATE orders SET status = 'closed', revision = 2 WHERE id BETWEEN 10 AND 39 AND status <> 'closed'"
    )
    await shop.execute("UPDATE orders SET total = total + 1, dead_because = 'x' WHERE id BETWEEN 100 AND 109")
    await shop.execute("DELETE FROM orders WHERE id BETWEEN 200 AND 204")
    refs = c.LegacyRefs(source=side.name, legacy_ids=[str(number) for number in range(300, 307)])
    await side.orders.disown(context(), refs)
    found = await side.compare()
    assert dict(found.kinds) == {"differing": 28, "extra": 5, "missing": 7}
    assert dict(found.by_field) == {"state": 18, "total": 10, "reason": 10}
    assert not found.is_clean
    repaired = await side.compare(repair=True)
    assert (repaired.kinds.total(), repaired.repaired, repaired.is_clean) == (40, 40, True)
    again = await side.compare()
    assert (again.kinds.total(), again.rows) == (0, ROWS - 5)


@ONCE
async def test_what_changes_while_it_is_compared_is_no_difference(migrate: Migrate, shop: OldShop) -> None:
    """A follower is a moment late all the time; one row that nobody follows is the only difference."""
    side = await migrate(ROWS)
    await side.backfill()
    ended = asyncio.Event()

    async def live() -> None:
        revision = 1
        while not ended.is_set():
            revision += 1
            first = 1 + revision * 37 % (ROWS - 100)
            keys = [str(number) for number in range(first, first + 50) if number != 555]
            await shop.execute(
                f"UPDATE orders SET street = 'Carrera {revision}', revision = revision + 1"
                f" WHERE id IN ({', '.join(keys)})"
            )
            await asyncio.sleep(0)  # here is where the follower is late
            await side.adopt(keys)

    await shop.execute("UPDATE orders SET rider_id = 4711, revision = 999 WHERE id = 555")
    traffic = asyncio.create_task(live())
    found = await side.compare(lasts_s=10.0)
    ended.set()
    await traffic
    assert found.differing == ["555"]
    assert [each.field for each in found.samples[0].fields] == ["courier_id"]
    await side.adopt(["555"])
    assert (await side.compare()).is_clean


@ONCE
async def test_an_undone_backfill_leaves_nothing_and_can_be_made_again(
    migrate: Migrate, new_place: Node
) -> None:
    side = await migrate(ROWS)
    await side.backfill()
    assert await side.undo() == ROWS
    assert await orders_of(side) == 0
    undone = await side.record.get(side.name)
    assert (undone.stage, undone.cursor, undone.taken) == ("planned", None, 0)
    assert (await side.backfill()).taken == ROWS
    assert (await side.compare()).is_clean
    await assert_nothing_differs(new_place, ROWS)
    assert [change.what for change in await side.record.changes(side.name)][-1].startswith("backfill ended")


@ONCE
async def test_nothing_is_undone_that_somebody_counts_on(migrate: Migrate) -> None:
    side = await migrate(50)
    await side.backfill()
    await side.record.change(side.name, "read new 5 %", read_share=5)
    with pytest.raises(MigrationError, match="undo that first"):
        await side.undo()
    await side.record.change(side.name, "read old", read_share=0)
    await side.orders.release(context(), c.OpenLegacy(source=side.name))
    with pytest.raises(MigrationError, match="in Tiffin's hands"):
        await side.undo()


@ONCE
async def test_a_planned_migration_keeps_its_mapping_once_something_was_copied(migrate: Migrate) -> None:
    side = await migrate(50)
    await side.backfill()
    text = (await side.record.get(side.name)).mapping
    await side.record.plan(side.name, text, 51)
    with pytest.raises(MigrationError, match="another mapping"):
        await side.record.plan(side.name, text.replace("zr", "rider-"), 51)
