"""The whole way in, at the sizes that were promised: `make soak`. Prints how long each part took."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import backfill_victim
from old_shop import MariadbShop, OldShop
from old_side import Side, context, now
from tiffin.audit.audit import audit
from tiffin.rpc import contracts as c
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

ROWS = {"postgresql": 1_000_000, "mariadb": 200_000}
KILLS = 3
CHUNKS_BEFORE_KILL = 20

Migrate = Callable[[int], Coroutine[Any, Any, Side]]


async def backfill_with_kills(place: Node, side: Side, kills: int) -> None:
    """Processes that copy, one after the other, each killed at its work; the last one ends."""
    for _ in range(kills):
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(backfill_victim.__file__), place.url, side.name, "100000",
            stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(CHUNKS_BEFORE_KILL):
            if (await process.stdout.readline()).strip() in (b"", b"finished"):
                break
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
    await side.backfill()


async def plant(side: Side, shop: OldShop, rows: int, share: int) -> tuple[int, int, int]:
    """Differences of each kind: `4 * share` missing, `3 * share` extra, `3 * share` differing."""
    missing = [str(1 + number * (rows // (4 * share))) for number in range(4 * share)]
    for start in range(0, len(missing), 400):
        refs = c.LegacyRefs(source=side.name, legacy_ids=missing[start : start + 400])
        await side.orders.disown(context(), refs)
    step = rows // (3 * share)
    extra = {2 + number * step for number in range(3 * share)}.difference(map(int, missing))
    await shop.execute(f"DELETE FROM orders WHERE id IN ({', '.join(map(str, extra))})")
    differing = {3 + number * step for number in range(3 * share)}.difference(map(int, missing), extra)
    await shop.execute(
        f"UPDATE orders SET total = total + 1, revision = 2 WHERE id IN ({', '.join(map(str, differing))})"
    )
    return len(missing), len(extra), len(differing)


async def the_whole_way(side: Side, shop: OldShop, place: Node, rows: int, share: int) -> None:
    """Copied by processes that are killed, compared, repaired, taken away again, and copied anew."""
    clock = time.monotonic()

    def tell(what: str) -> None:
        nonlocal clock
        took, clock = time.monotonic() - clock, time.monotonic()
        print(f"{what}: {took:.1f} s, {rows / took:,.0f} rows/s", flush=True)

    await backfill_with_kills(place, side, KILLS)
    tell(f"{rows:,} rows copied, {KILLS} processes killed meanwhile")
    assert (await side.record.get(side.name)).taken == rows
    found = await side.compare()
    assert (found.rows, found.kinds.total(), found.is_clean) == (rows, 0, True)
    tell("compared, no difference")
    missing, extra, differing = await plant(side, shop, rows, share)
    tell(f"planted: {missing} missing, {extra} extra, {differing} differing")
    found = await side.compare(repair=True)
    assert dict(found.kinds) == {"missing": missing, "extra": extra, "differing": differing}
    assert found.is_clean
    tell("compared, all found and repaired")
    again = await side.compare()
    assert (again.kinds.total(), again.rows) == (0, rows - extra)
    tell("compared again, no difference")
    assert await side.undo() == rows - extra
    tell("undone")
    assert (await side.backfill()).taken == rows - extra
    tell("copied again, by one process")
    assert (await side.compare()).is_clean
    tell("compared, no difference")
    report = await audit(await Router.open([place]), now, wait_s=900)
    assert report.is_clean, report.differences[:5]
    tell(f"audited, no difference, {dict(report.checked)}")


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_orders_at_the_promised_sizes_go_the_whole_way(
    migrate: Migrate, shop: OldShop, new_place: Node
) -> None:
    rows = ROWS["mariadb" if isinstance(shop, MariadbShop) else "postgresql"]
    side = await migrate(rows)
    await the_whole_way(side, shop, new_place, rows, share=100)
