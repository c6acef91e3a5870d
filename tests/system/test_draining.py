"""A node gives all its shards to two others while orders keep coming as fast as they go.

`tiffin up`, the driver of the orders and the mover are three processes; the nodes are databases of one
server. Most of the orders are there before: rejected ones, all of them on the node that is drained.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

import databases
from tiffin.cli.platform import CONSUMER_NAMES
from tiffin.load.day import demo_day
from tiffin.load.journal import read_journal
from tiffin.load.placing import Placing
from tiffin.load.replay import Drive, replay
from tiffin.load.run import Deadlines
from tiffin.load.tally import Summary
from tiffin.rpc import contracts as c
from tiffin.services.orders import statements, transition
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.transition import Command, Moved
from tiffin.sharding.order_id import restaurant_shard
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence as OrderNumbers
from tiffin.sharding.topology import read_topology
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node
from tiffin_process import TiffinProcess

pytestmark = pytest.mark.timeout(1800)

NAMES = ["draincenter", "drainold", "drainnew", "drainnewer"]
"""The directory, the one that is drained, and two that are empty."""
OLD = 1
BATCH = 256
PAYMENT_S = 10


class Size(NamedTuple):
    """How large a run is."""

    shards: Sequence[int]
    """Of each dimension, on the node that is drained."""
    orders: int
    """On the node that is drained, before."""
    a_day: int
    """Orders of each replay; one follows the other until the node is empty."""


@dataclass
class Load:
    """Days of orders one after the other, as fast as they go."""

    platform: TiffinProcess
    a_day: int
    summaries: list[Summary] = field(default_factory=list)
    is_wanted: bool = True

    async def __call__(self) -> None:
        for number in count():
            if not self.is_wanted:
                return
            drive = Drive(f"day-{number}", deadlines=Deadlines(payment_s=PAYMENT_S), journal=self.journal)
            day = demo_day(self.a_day, number)
            self.summaries.append(await replay(self.platform.url, self.platform.mint, day, drive, _now))

    @property
    def journal(self) -> Path:
        return self.platform.data_directory / "journal"


@pytest.fixture
async def nodes(server: EmbeddedServer, size: Size) -> AsyncIterator[list[Node]]:
    nodes = await databases.open_platform(server, NAMES, {NAMES[OLD]: size.shards})
    yield nodes
    await databases.end_moves(nodes)
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, NAMES)


@pytest.fixture
def platform(nodes: list[Node]) -> Iterator[TiffinProcess]:
    with databases.directory() as directory:
        urls = " ".join(f"{node.name}={node.url}" for node in nodes)
        yield TiffinProcess(directory, nodes=urls, payment_s=PAYMENT_S)


@pytest.mark.soak  # a node is drained under load in test_nodes.py, too
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(Size(range(4), 500, 100), id="small"),
        pytest.param(Size(range(60, 120), 200_000, 1_500), id="large"),
    ],
)
async def test_a_node_is_drained_under_load_and_nobody_notices(
    nodes: list[Node], platform: TiffinProcess, size: Size, capsys: pytest.CaptureFixture[str]
) -> None:
    before = await fill(nodes[OLD], await Router.open(nodes), size.orders)
    load = Load(platform, size.a_day)
    with platform:
        loading = asyncio.create_task(load())
        try:
            moved = await shards(platform, "move", "--drain", NAMES[OLD])
        finally:
            load.is_wanted = False
            await loading
        finished = await shards(platform, "finish")
        audited = await asyncio.to_thread(platform.run, "audit")
    with capsys.disabled():
        print("\n" + moved + finished + audited.stdout)
        report(await pauses(nodes), load)
    topology = await read_topology(nodes[0])
    assert NAMES[OLD] not in topology.node_names.values()
    assert len(await pauses(nodes)) == 2 * len(size.shards)
    assert [of.unexpected for of in load.summaries] == [[]] * len(load.summaries)
    assert sum(of.resent for of in load.summaries) == 0
    await everything_is_where_it_belongs(nodes, before, load)
    assert audited.returncode == 0, audited.stdout


def report(paused: Sequence[tuple[str, int, float]], load: Load) -> None:
    """The figures."""
    milliseconds = [ms for *_, ms in _ms(paused)]
    worst = ", ".join(f"{ms:.0f} ({dimension}/{shard})" for dimension, shard, ms in _ms(paused[-3:]))
    print(f"pauses of {len(paused)} shards, ms: median {median(milliseconds):.0f}, longest {worst}")
    print("each: " + " ".join(f"{ms:.0f}" for ms in milliseconds))
    placed = sum(of.placed for of in load.summaries)
    print(f"{placed} orders placed meanwhile; asked again {sum(of.resent for of in load.summaries)}")


def _ms(paused: Sequence[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
    return [(dimension, shard, 1000 * seconds) for dimension, shard, seconds in paused]


async def fill(old: Node, router: Router, orders: int) -> set[int]:
    """Orders that were placed and rejected, with their copies, that every reader of the log has seen."""
    placing, filled = Placing(OrderNumbers(router.directory), _now), set[int]()
    while len(filled) < orders:
        placed = [await placing.next() for _ in range(2 * BATCH)]
        some = [moved for moved in placed if router.node("customer", moved.row.shard) is old]
        rejected = [transition.advance(moved.row, _rejected(moved), Policy(), _now()) for moved in some]
        async with old.connection() as connection:
            await statements.place(connection, some)
            await statements.move(connection, rejected)
        copies = [moved.row._replace(shard=restaurant_shard(moved.row.id)) for moved in rejected]
        for node in router.nodes:
            here = sorted(
                (row for row in copies if router.node("restaurant", row.shard) is node),
                key=lambda row: (row.shard, row.id),
            )
            if here:
                async with node.connection() as connection:
                    await statements.copy(connection, here)
        filled.update(moved.row.id for moved in some)
    for consumer in CONSUMER_NAMES:
        await old.execute(
            "INSERT INTO log.cursors (consumer, xid, position, day)"
            " SELECT $1, xid, position, day FROM log.events ORDER BY xid DESC, position DESC LIMIT 1",
            consumer,
        )
    return filled


def _rejected(moved: Moved) -> Command:
    return Command("rejected", c.Caller(role="restaurant", id=moved.row.restaurant_id), "filling")


def _now() -> datetime:
    return datetime.now(UTC)


async def shards(platform: TiffinProcess, *arguments: str) -> str:
    """`tiffin shards ...`; what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tiffin", "shards", *arguments,
        env={**platform.environment, "COLUMNS": "200"}, cwd=platform.data_directory,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        printed, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def everything_is_where_it_belongs(nodes: list[Node], before: set[int], load: Load) -> None:
    """Each order once, on one of the nodes that have its shard, at least at the version acknowledged."""
    router = await Router.open(nodes)
    acknowledged = {int(id_): entry for id_, entry in read_journal(load.journal).items()}
    for dimension, table in (("customer", "orders"), ("restaurant", "orders_by_restaurant")):
        found: Counter[int] = Counter()
        for node in nodes:
            rows = await node.fetch(f"SELECT shard, id, version FROM orders.{table}")
            found.update(row["id"] for row in rows)
            assert all(router.node(dimension, row["shard"]) is node for row in rows)
            known = [row for row in rows if row["id"] in acknowledged]
            assert all(row["version"] >= acknowledged[row["id"]].version for row in known), "steps are lost"
        assert set(before) <= set(found) and set(acknowledged) <= set(found), "orders are lost"
        assert max(found.values()) == 1, "orders are doubled"
    keys = {entry.key for entry in acknowledged.values()}
    assert len(keys) == len(acknowledged), "one key, two orders"


async def pauses(nodes: Sequence[Node]) -> list[tuple[str, int, float]]:
    """Of each shard, for how long it was on neither node."""
    rows = await nodes[0].fetch("SELECT dimension, shard, seconds FROM tiffin.pauses ORDER BY seconds")
    return [(row["dimension"], row["shard"], row["seconds"]) for row in rows]
