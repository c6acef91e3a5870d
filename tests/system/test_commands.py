"""The commands, as somebody types them."""

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from system.commands import tiffin
from system.town import eventually
from tiffin.cli.running import Running, find
from tiffin_process import TiffinProcess

COMMANDS = (
    "up", "serve", "ps", "migrate", "token", "demo", "replay", "audit", "order", "shards", "bench",
    "consumers",
)  # fmt: skip


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
    (("serve", "orders"), "[services.orders] says neither"),
    (("serve", "orders", "--listen", "here"), "'here' is no address"),
    (("serve", "kitchen"), '"kitchen"'),
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


async def test_a_demo_that_is_stopped_stops_its_server(data_directory: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "tiffin", "demo"], cwd=data_directory,
        env={**os.environ, "TIFFIN_DATA_DIRECTORY": str(data_directory)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip

    async def its_server() -> Running | None:
        return find(data_directory)

    server = await eventually(its_server, "its server is up")
    demo.terminate()
    _, told = await asyncio.to_thread(demo.communicate, timeout=60)
    assert (demo.returncode, told) == (128 + signal.SIGTERM, b"")
    assert find(data_directory) is None
    assert not psutil.pid_exists(server.pid)


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
