"""What was answered 2xx is there, whatever happens to the server."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tiffin.load.day import demo_day
from tiffin.load.journal import read_journal
from tiffin.load.replay import Drive, replay
from tiffin.load.run import Deadlines
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node
from tiffin_process import TiffinProcess

PAYMENT_S = 20


async def _kill_at_random(process: TiffinProcess, kills: int, rng: random.Random) -> None:
    for _ in range(kills):
        await asyncio.sleep(rng.uniform(0.2, 2.0))
        await asyncio.to_thread(process.kill)
        await asyncio.to_thread(process.start)


async def _versions(node: Node, table: str, places: Iterable[tuple[int, int]]) -> dict[str, int]:
    shards, ids = zip(*places, strict=True)
    rows = await node.fetch(
        f"SELECT id, version FROM orders.{table} o JOIN unnest($1::smallint[], $2::bigint[]) AS t (shard, id)"
        " USING (shard, id)",
        list(shards), list(ids),
    )  # fmt: skip
    return {str(row["id"]): row["version"] for row in rows}


async def _survives(data_directory: Path, orders: int, kills: int, seed: int) -> Counter[str]:
    """Replay a day, kill the server meanwhile, and look for everything that was acknowledged."""
    journal = data_directory / "journal"
    with TiffinProcess(data_directory, payment_s=PAYMENT_S) as process:
        drive = Drive(f"seed-{seed}", deadlines=Deadlines(payment_s=PAYMENT_S), journal=journal)
        driven = asyncio.create_task(
            replay(process.url, process.mint, demo_day(orders, seed), drive, lambda: datetime.now(UTC))
        )
        killing = asyncio.create_task(_kill_at_random(process, kills, random.Random(seed)))
        summary = await driven
        assert killing.done(), "the day was over before the last kill: make it longer"
        await killing
        audited = await asyncio.to_thread(process.run, "audit")
        acknowledged = read_journal(journal)

        server = EmbeddedServer.start(data_directory / "postgresql")
        node = await Node.open("local", server.url("local"))
        ids = [int(order_id) for order_id in acknowledged]
        truth = await _versions(node, "orders", [(customer_shard(id_), id_) for id_ in ids])
        copies = await _versions(node, "orders_by_restaurant", [(restaurant_shard(id_), id_) for id_ in ids])
        await node.close()
        server.stop()

    assert summary.unexpected == []
    lost = {id_ for id_, entry in acknowledged.items() if truth.get(id_, 0) < entry.version}
    not_copied = {id_ for id_, entry in acknowledged.items() if copies.get(id_, 0) < entry.version}
    assert lost == set()
    assert not_copied == set()
    assert len({entry.key for entry in acknowledged.values()}) == len(acknowledged), "one key, two orders"
    assert audited.returncode == 0, audited.stdout
    print(f"seed {seed}: {kills} kills, {len(acknowledged)} orders acknowledged, {summary.resent} resent")
    return Counter(acknowledged=len(acknowledged), resent=summary.resent)


async def test_every_acknowledged_order_survives_ten_kills_of_the_server(data_directory: Path) -> None:
    seen = await _survives(data_directory, orders=1500, kills=10, seed=1)
    assert seen["acknowledged"] > 1000
    assert seen["resent"] > 10, "the kills have hit nothing"


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 7))
async def test_every_acknowledged_order_survives_sixty_kills_of_the_server(
    data_directory: Path, seed: int
) -> None:
    await _survives(data_directory, orders=8000, kills=60, seed=seed)
