"""A day of orders through a platform to which something happens: all that was acknowledged is there."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

from tiffin.load.day import demo_day
from tiffin.load.journal import read_cases, read_journal
from tiffin.load.replay import Drive, replay
from tiffin.load.run import Deadlines
from tiffin.services.reverse.case import shard_of_case
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node
from tiffin_process import TiffinProcess

PAYMENT_S = 20


async def survives(
    process: TiffinProcess,
    orders: int,
    seed: int,
    disturb: Callable[[], Awaitable[None]],
    payment_s: int = PAYMENT_S,
) -> Counter[str]:
    """Replay a day while `disturb` runs, which must be over before the day is. The audit has to be clean.

    `payment_s` is the process's own deadline for payments."""
    journal = process.data_directory / "journal"
    with process:
        drive = Drive(f"seed-{seed}", deadlines=Deadlines(payment_s=payment_s), journal=journal)
        driven = asyncio.create_task(
            replay(process.url, process.mint, demo_day(orders, seed), drive, lambda: datetime.now(UTC))
        )
        disturbing = asyncio.ensure_future(disturb())
        summary = await driven
        assert disturbing.done(), "the day was over before the last disturbance: make it longer"
        await disturbing
        audited = await asyncio.to_thread(process.run, "audit")
        acknowledged, cases = read_journal(journal), read_cases(journal)

        server = EmbeddedServer.start(process.data_directory / "postgresql")
        node = await Node.open("local", server.url("local"))
        ids = [int(order_id) for order_id in acknowledged]
        truth = await _versions(node, "orders", [(customer_shard(id_), id_) for id_ in ids])
        copies = await _versions(node, "orders_by_restaurant", [(restaurant_shard(id_), id_) for id_ in ids])
        kept = await _case_versions(node, [(shard_of_case(id_), id_) for id_ in cases])
        await node.close()
        server.stop()

    lost = {id_ for id_, entry in acknowledged.items() if truth.get(id_, 0) < entry.version}
    not_copied = {id_ for id_, entry in acknowledged.items() if copies.get(id_, 0) < entry.version}
    assert lost == set()
    assert {id_ for id_, entry in cases.items() if kept.get(id_, 0) < entry.version} == set()
    assert not_copied == set()
    assert len({entry.key for entry in acknowledged.values()}) == len(acknowledged), "one key, two orders"
    assert audited.returncode == 0, audited.stdout
    assert summary.unexpected == [], "\n".join(summary.unexpected)
    counted = f"{len(acknowledged)} orders and {len(cases)} cases acknowledged"
    print(f"seed {seed}: {counted}, {summary.resent} resent")
    return Counter(acknowledged=len(acknowledged), resent=summary.resent)


async def _versions(node: Node, table: str, places: Iterable[tuple[int, int]]) -> dict[str, int]:
    shards, ids = zip(*places, strict=True)
    rows = await node.fetch(
        f"SELECT id, version FROM orders.{table} o JOIN unnest($1::smallint[], $2::bigint[]) AS t (shard, id)"
        " USING (shard, id)",
        list(shards), list(ids),
    )  # fmt: skip
    return {str(row["id"]): row["version"] for row in rows}


async def _case_versions(node: Node, places: Iterable[tuple[int, str]]) -> dict[str, int]:
    shards, ids = zip(*places, strict=True)
    rows = await node.fetch(
        "SELECT id, version FROM reverse.cases k JOIN unnest($1::smallint[], $2::text[]) AS t (shard, id)"
        " USING (shard, id)",
        list(shards), list(ids),
    )  # fmt: skip
    return {row["id"]: row["version"] for row in rows}
