"""The commands, as somebody types them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from system.commands import ORDERS, Demo, tiffin
from system.town import OPERATOR, Town, database
from tiffin.cli.running import find
from tiffin.storage.node import Node
from tiffin_process import TiffinProcess

# those that need no demo come first: meanwhile the demos' days pass
pytestmark = [pytest.mark.xdist_group("system demos"), pytest.mark.usefixtures("demos")]

COMMANDS = ("up", "token", "demo", "replay", "audit", "order", "shards", "bench")


def test_every_command_has_help(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as at_once:
        whole, *each = at_once.map(
            lambda name: tiffin(tmp_path, *name, "--help"), [(), *((name,) for name in COMMANDS)]
        )
    assert whole.returncode == 0
    for name, done in zip(COMMANDS, each, strict=True):
        assert f"│ {name} " in whole.stdout
        assert done.returncode == 0
        assert f"Usage: tiffin {name}" in done.stdout
        assert "--config" in done.stdout
    assert list(tmp_path.iterdir()) == [], "help leaves nothing behind"


BAD: list[tuple[tuple[str, ...], str]] = [
    (("frobnicate",), 'Unknown command "frobnicate"'),
    (("order",), "requires an argument"),
    (("demo", "--orders", "0"), "Must be >= 1"),
    (("up", "--port", "65536"), "Must be <= 65535"),
    (("token", "king", "arthur"), '"king"'),
    (("token", "customer", "no spaces"), "tiffin: "),
    (("token", "customer", "ana", "--hours", "nan"), "nan"),
    (("replay", "missing.csv"), "missing.csv: "),
    (("replay", "bad.csv"), "bad.csv, line 1: "),
    (("audit", "--config", "broken.toml"), "broken.toml: "),
    (("audit", "--config", "unknown.toml"), "unknown field `dishes`"),
    (("up", "--config", "unreachable.toml"), "node north: "),
    (("shards", "--config", "."), "directory"),
]


def test_what_makes_no_sense_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.toml").write_text("[server\n")
    (tmp_path / "unknown.toml").write_text("dishes = 1\n")
    (tmp_path / "unreachable.toml").write_text('nodes.north = "postgresql://u:p@127.0.0.1:1/db"\n')
    with ThreadPoolExecutor(2) as at_once:
        done = list(at_once.map(lambda case: tiffin(tmp_path, *case[0]), BAD))
    for (arguments, told), each in zip(BAD, done, strict=True):
        assert each.returncode in (1, 2), arguments
        assert told in each.stderr, (arguments, each.stderr)
        assert "Traceback" not in each.stderr, arguments
        lines = [line for line in each.stderr.splitlines() if not line.startswith(("╭", "╰"))]
        assert len(lines) == 1, (arguments, each.stderr)


ROWS = """\
city,day,instance,order_id,poi_id,pick_up_lat,pick_up_lng,drop_off_lat,drop_off_lng,distance_m,placed_s,prep_start_s,ready_s,promised_s,wrapped
""" + "".join(
    f"bogota,A,18,{number},{number % 3},4.6{number},-74.1,4.65,-74.0{number},900,{43_200 + 30 * number},"
    f"{43_260 + 30 * number},{43_860 + 30 * number},{45_000 + 30 * number},0\n"
    for number in range(10)
)


async def test_a_file_is_replayed_as_fast_as_it_goes_and_at_a_speed(data_directory: Path) -> None:
    (data_directory / "day.csv").write_text(ROWS)
    with TiffinProcess(data_directory) as process:
        for options in (
            (),
            ("--speed", "3000"),
            ("--city", "bogota", "--limit", "4", "--journal", "journal"),
        ):
            done = await asyncio.to_thread(process.run, "replay", "day.csv", *options)
            orders = 4 if "--limit" in options else 10
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"{orders} of {orders} orders placed" in done.stdout
            assert "Audit: 0 differences" in done.stdout
        nothing = await asyncio.to_thread(process.run, "replay", "day.csv", "--city", "cali")
        assert (nothing.returncode, nothing.stderr) == (1, "tiffin: day.csv: no orders of cali in it\n")
        shown = await asyncio.to_thread(process.run, "shards")
        assert shown.stdout.count(" 24 ") == 2, "each replay places orders of its own"
        assert find(data_directory) is not None, "the server that was up is still up"
    assert len((data_directory / "journal").read_text().splitlines()) >= 4


@pytest.fixture(scope="module")
def day(demos: Mapping[int, "Future[Demo]"]) -> Demo:
    return demos[1].result()


@pytest.fixture(scope="module")
def process(day: Demo) -> TiffinProcess:
    """A server on the day's data, not started yet."""
    return TiffinProcess(day.directory / ".tiffin")


@pytest.fixture(scope="module")
async def node(process: TiffinProcess) -> AsyncIterator[Node]:
    """The day's database, which commands then find running."""
    async with database(process) as node:
        yield node


async def an_order(node: Node, state: str) -> str:
    row = await node.fetchrow("SELECT id FROM orders.orders WHERE state = $1 LIMIT 1", state)
    assert row is not None
    return str(row["id"])


def test_the_demo_carries_a_day_and_tells_of_it(day: Demo) -> None:
    assert day.exit_code == 0, day.printed
    for words in (
        "What became of the orders", "delivered and confirmed", "How they were paid", "How long it took",
        f"{ORDERS} of {ORDERS} orders placed", "Audit: 0 differences", "Looked at",
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
    order_id = await an_order_of_seven_events(node)
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


async def an_order_of_seven_events(node: Node) -> str:
    row = await node.fetchrow(
        "SELECT id FROM orders.orders WHERE state = 'completed' AND version = 7 LIMIT 1"
    )
    assert row is not None
    return str(row["id"])


async def test_an_order_is_shown_with_its_timeline(day: Demo, node: Node) -> None:
    order_id = await an_order(node, "completed")
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
    for order_id in ("1", "abc", "9" * 30):
        done = day.tiffin("order", order_id)
        assert (done.returncode, done.stdout) == (1, f"There is no order {order_id}.\n")


async def test_a_server_on_the_days_data_serves_it_and_stops_when_asked(
    day: Demo, process: TiffinProcess, node: Node
) -> None:
    order_id = await an_order(node, "completed")
    with process:
        token = day.tiffin("token", "operator", "ops").stdout.strip()
        bearer = {"Authorization": f"Bearer {token}"}
        async with Town.open(process) as town:
            found = await town.ask(None, "GET", f"/v1/orders/{order_id}", headers=bearer)
            assert (found.status, found.json["state"]) == (200, "completed")
            assert (await town.ask(None, "GET", "/readyz")).status == 200

        refused = day.tiffin("demo")
        assert refused.returncode == 1
        assert (
            refused.stderr
            == f"tiffin: a server is up at {process.url}: stop it first, the demo starts its own\n"
        )

        assert process.stop() == 0
        assert find(process.data_directory) is None
        process.start()
        async with Town.open(process) as town:
            assert (await town.get(OPERATOR, f"/v1/orders/{order_id}")) == found.json
        assert process.stop() == 0
