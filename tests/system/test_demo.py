"""A demo on one node and one on four, and the commands that look at what it has left."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

import databases
from system.commands import tiffin
from system.town import OPERATOR, Town, database
from tiffin.cli.running import find
from tiffin.services.reverse.kinds import Kind
from tiffin.storage.node import Node
from tiffin_process import TiffinProcess

ORDERS = 150


@dataclass(frozen=True)
class Demo:
    """A directory, empty before, in which `tiffin demo` was run, and what it printed."""

    directory: Path
    environment: dict[str, str]
    exit_code: int
    printed: str

    def tiffin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command in the same directory."""
        return tiffin(self.directory, *arguments, **self.environment)


def run_demo(directory: Path, nodes: int) -> Demo:
    """A small day on so many embedded nodes; one needs no setting."""
    environment = {"TIFFIN_EMBEDDED_NODES": str(nodes)} if nodes > 1 else {}
    done = tiffin(directory, "demo", "--orders", str(ORDERS), **environment)
    return Demo(directory, environment, done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def demos() -> Iterator[Mapping[int, Demo]]:
    """By the number of nodes. Their days pass side by side."""
    with databases.directory() as one, databases.directory() as four, ThreadPoolExecutor(2) as at_once:
        yield dict(zip((1, 4), at_once.map(run_demo, (one, four), (1, 4)), strict=True))


@pytest.fixture(scope="module")
def day(demos: Mapping[int, Demo]) -> Demo:
    """The one on one node."""
    return demos[1]


@pytest.fixture(scope="module")
def process(day: Demo) -> TiffinProcess:
    """A server on the day's data, not started yet."""
    return TiffinProcess(day.directory / ".tiffin")


@pytest.fixture(scope="module")
async def node(process: TiffinProcess) -> AsyncIterator[Node]:
    """The day's database, which commands then find running."""
    async with database(process) as node:
        yield node


async def a_completed_order(node: Node) -> str:
    """One that was paid in cash: seven events."""
    row = await node.fetchrow(
        "SELECT id FROM orders.orders WHERE state = 'completed' AND version = 7 LIMIT 1"
    )
    assert row is not None
    return str(row["id"])


def test_the_demo_carries_a_day_and_tells_of_it(day: Demo) -> None:
    assert day.exit_code == 0, day.printed
    for words in (
        "What became of the orders", "delivered and confirmed", "How they were paid", "How long it took",
        f"{ORDERS} of {ORDERS} orders placed", "Audit: 0 differences", "Looked at",
        "What became of the cases", "not answered", "All books agree",
        *(kind.replace("_", " ") for kind in get_args(Kind)),
    ):  # fmt: skip
        assert words in day.printed, words
    assert "unexpected" not in day.printed
    assert find(day.directory / ".tiffin") is None, "the demo has left its server running"


def test_the_audit_of_the_day_is_clean(day: Demo, node: Node) -> None:
    done = day.tiffin("audit")
    assert done.returncode == 0, done.stdout
    assert "Audit: 0 differences" in done.stdout
    assert f"{ORDERS} orders, {ORDERS} copies" in done.stdout


@pytest.mark.parametrize(
    ("sql", "check", "difference"),
    [
        ("UPDATE orders.orders_by_restaurant SET total = total {} 1 WHERE id = $1", "dimensions", "total:"),
        ("UPDATE orders.orders SET version = version {} 1 WHERE id = $1", "log", "is at version 8"),
        ("UPDATE log.events SET version = version {} 10 WHERE key = $1::bigint::text AND version % 10 = 3",
         "log", "versions 1, 2, 4, 5, 6, 7, 13"),
    ],
)  # fmt: skip
async def test_an_altered_row_is_found(day: Demo, node: Node, sql: str, check: str, difference: str) -> None:
    order_id = await a_completed_order(node)
    assert await node.execute(sql.format("+"), int(order_id)) == "UPDATE 1"
    try:
        done = await asyncio.to_thread(day.tiffin, "audit")
    finally:
        await node.execute(sql.format("-"), int(order_id))
    assert done.returncode == 1
    assert any(
        check in line and f"order {order_id}" in line and difference in line
        for line in done.stdout.splitlines()
    ), done.stdout


async def test_an_order_is_shown_with_its_timeline(day: Demo, node: Node) -> None:
    order_id = await a_completed_order(node)
    done = await asyncio.to_thread(day.tiffin, "order", order_id)
    assert done.returncode == 0, done.stderr
    for words in (f"Order {order_id}", "completed (version", "Timeline", "placed", "accepted", "delivered",
                  "customer shard", "restaurant shard"):  # fmt: skip
        assert words in done.stdout, words


def test_the_shards_are_shown(day: Demo, node: Node) -> None:
    done = day.tiffin("shards")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("0-119 (120 of 120)") == 2
    assert done.stdout.count(f" {ORDERS} ") == 2


def test_an_order_that_does_not_exist_is_not_shown(day: Demo, node: Node) -> None:
    for order_id in ("1", "abc"):
        done = day.tiffin("order", order_id)
        assert (done.returncode, done.stdout) == (1, f"There is no order {order_id}.\n")


async def test_a_server_on_the_days_data_serves_it_and_stops_when_asked(
    day: Demo, process: TiffinProcess, node: Node
) -> None:
    order_id = await a_completed_order(node)
    with process:
        token = day.tiffin("token", "operator", "ops").stdout.strip()
        bearer = {"Authorization": f"Bearer {token}"}
        async with Town.open(process) as town:
            found = await town.ask(None, "GET", f"/v1/orders/{order_id}", headers=bearer)
            assert (found.status, found.json["state"]) == (200, "completed")
            assert (await town.ask(None, "GET", "/readyz")).status == 200

        refused = day.tiffin("demo")
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"tiffin: a server is up at {process.url}: stop it first")
        assert refused.stderr.count("\n") == 1

        assert process.stop() == 0
        assert find(process.data_directory) is None
        process.start()
        async with Town.open(process) as town:
            assert (await town.get(OPERATOR, f"/v1/orders/{order_id}")) == found.json
        assert process.stop() == 0


ROW = re.compile(r"│ (local\d?) +│ (customer|restaurant) +│ (\d+)-(\d+) \((\d+) of 120\) +│ +([\d,]+) │")


def test_a_day_on_four_nodes_is_carried_and_proved(demos: Mapping[int, Demo]) -> None:
    demo = demos[4]
    assert demo.exit_code == 0, demo.printed
    assert f"{ORDERS} of {ORDERS} orders placed" in demo.printed
    assert "Audit: 0 differences" in demo.printed

    shown = demo.tiffin("shards")
    rows = ROW.findall(shown.stdout)
    nodes = ("local", "local2", "local3", "local4")
    assert [(node, dimension) for node, dimension, *_ in rows] == [
        (node, dimension) for node in nodes for dimension in ("customer", "restaurant")
    ]
    for dimension in ("customer", "restaurant"):
        mine = [row for row in rows if row[1] == dimension]
        ranges = [(int(first), int(last), int(count)) for _, _, first, last, count, _ in mine]
        assert ranges == [(0, 29, 30), (30, 59, 30), (60, 89, 30), (90, 119, 30)]
        orders = [int(row[5]) for row in mine]
        assert sum(orders) == ORDERS
        assert all(orders), f"a node without {dimension} orders: {orders}"
