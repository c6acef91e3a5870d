"""The page about migrating is run as it stands, against a Zeus with live traffic."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

import databases
from tiffin.cli.up import free_port
from tiffin.storage.embedded import EmbeddedServer
from tiffin_process import TiffinProcess

ROOT = Path(__file__).parents[2]
ZEUS = ROOT / "examples" / "zeus"
PAGE = ROOT / "docs" / "migrating.md"
DEADLINE_S = 60
OLD_ORDERS = 3000
OLD = """
    INSERT INTO orders (user_id, shop_id, status, items, food, delivery, total, paid_by, street, city,
                        latitude, longitude, created_at, updated_at)
    SELECT 1 + n % 500, 1 + n % 20,
           CASE WHEN n % 20 = 0 THEN 'cooking' WHEN n % 7 = 0 THEN 'dead' ELSE 'closed' END,
           '[{"dish": "Ajiaco", "count": 1, "price": "9.80"}]', 9.80, 3, 12.80, 'cash', 'Calle ' || n,
           'Bogotá', 4.6, -74.1, now() - n * interval '1 minute', now() - n * interval '1 minute'
      FROM generate_series(1, $1::int) AS n
"""


def commands() -> str:
    """What the page says to type, as one script."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    typed = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    assert len(typed) > 15
    return "\n".join(typed)


class Zeus:
    """The monolith and its traffic, each a process."""

    def __init__(self, url: str, directory: Path, environment: dict[str, str]) -> None:
        self.port = free_port("127.0.0.1")
        self.directory = directory
        environment = {**environment, "ZEUS_DATABASE": url}
        self.processes: list[subprocess.Popen[str]] = []
        self._start(environment, "zeus.py", str(self.port))

    def _start(self, environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
        with (self.directory / f"{arguments[0]}.log").open("w") as log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, str(ZEUS / arguments[0]), *arguments[1:]], env=environment, text=True,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if "traffic" in arguments[0] else log,
                    stderr=log,
                )
            )  # fmt: skip
        return self.processes[-1]

    def begin_traffic(self, environment: dict[str, str]) -> None:
        self._start(
            environment, "traffic.py", f"http://127.0.0.1:{self.port}", "--a-second", "10", "--people", "4"
        )

    def end_traffic(self) -> dict[str, object]:
        """What they saw."""
        traffic = self.processes[-1]
        traffic.send_signal(signal.SIGINT)
        said, _ = traffic.communicate(timeout=120)
        return json.loads(said)

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()


async def prepare(url: str, count: int) -> None:
    """Until Zeus has made its table; and so many old orders in it."""
    connection = await asyncpg.connect(url)
    until = time.monotonic() + DEADLINE_S
    while not await connection.fetchval("SELECT to_regclass('orders_of_user')"):
        assert time.monotonic() < until, "Zeus has not come up"
        await asyncio.sleep(0.05)
    await connection.execute(OLD, count)
    await connection.close()


@pytest.fixture
def zeus_database(server: EmbeddedServer) -> Iterator[str]:
    """A database on the tests' server, not the platform's."""
    name = f"zeus_{uuid4().hex[:8]}"
    asyncio.run(server.create_database(name))
    return server.url(name)


def walk(url: str, old_orders: int) -> dict[str, object]:
    """Run the page; what the traffic saw."""
    with databases.directory() as directory, TiffinProcess(directory) as platform:
        key_file = directory / "zeus.key"
        environment = {
            **platform.environment, "COLUMNS": "110", "ZEUS": str(ZEUS), "ZEUS_DATABASE": url,
            "TIFFIN_URL": platform.url, "PYTHONPATH": os.pathsep.join(sys.path),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }  # fmt: skip
        first, _, rest = commands().partition("\n")
        run(first, directory, environment)
        zeus = Zeus(url, directory, {**environment, "TIFFIN_KEY": key_file.read_text().strip()})
        try:
            asyncio.run(prepare(url, old_orders))
            zeus.begin_traffic(environment)
            printed = run(rest.replace("$ZEUS_DATABASE", url), directory, environment)
            print(printed)
            return zeus.end_traffic()
        finally:
            zeus.end()


def run(script: str, directory: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-e"], input=script + "\nwait\n", env=environment, cwd=directory, text=True,
        capture_output=True, timeout=3600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_migrates_zeus_and_nobody_notices(zeus_database: str) -> None:
    seen = walk(zeus_database, OLD_ORDERS)
    assert (seen["errors"], seen["lost"]) == (0, 0), seen
    assert seen["placed"] > 0


@pytest.mark.soak
def test_a_million_orders_go_the_way_of_the_page(zeus_database: str) -> None:
    seen = walk(zeus_database, 1_000_000)
    print(seen)
    assert (seen["errors"], seen["lost"]) == (0, 0), seen
