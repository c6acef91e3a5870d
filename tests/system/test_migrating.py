"""The page about migrating is run as it stands, against a Zeus with live traffic, on either database."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import uuid4

import asyncpg
import pytest

import databases
from mariadb_server import MariadbServer
from tiffin.cli.up import free_port
from tiffin.storage.embedded import EmbeddedServer
from tiffin_process import TiffinProcess

ROOT = Path(__file__).parents[2]
ZEUS = ROOT / "examples" / "zeus"
PAGE = ROOT / "docs" / "migrating.md"
DEADLINE_S = 60
TRAFFIC_ENDS_WITHIN_S = 1800
IDS_A_CALL = 500
OLD_ORDERS = 3000
OLD = """
    INSERT INTO orders (user_id, shop_id, status, items, food, delivery, total, paid_by, street, city,
                        latitude, longitude, created_at, updated_at)
    SELECT 1 + n % 500, 1 + n % 20,
           CASE WHEN n % {apart} = 0 THEN 'cooking' WHEN n % 7 = 0 THEN 'dead' ELSE 'closed' END,
           '[{{"dish": "Ajiaco", "count": 1, "price": "9.80"}}]', 9.80, 3, 12.80, 'cash', concat('Calle ', n),
           'Bogotá', 4.6, -74.1, {moment}, {moment}
      FROM {numbers}
"""
OPEN_MAX = 1000
"""Of the old orders a twentieth has not ended, or so many: no town cooks more at a time for being old."""


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
            environment, "traffic.py", f"http://127.0.0.1:{self.port}", "--a-second", "10", "--people", "4",
            "--seconds", "20000",
        )  # fmt: skip

    def end_traffic(self) -> dict[str, int]:
        """What they saw."""
        traffic = self.processes[-1]
        traffic.send_signal(signal.SIGINT)
        said, _ = traffic.communicate(timeout=TRAFFIC_ENDS_WITHIN_S)
        return json.loads(said)

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()


class OldDatabase(Protocol):
    """The monolith's."""

    url: str

    def is_made(self) -> bool:
        """Whether Zeus has made its table."""
        ...

    def fill(self, count: int) -> None:
        """So many old orders."""
        ...

    def ids(self) -> set[str]:
        """Of all orders in the table."""
        ...


class PostgresqlZeus:
    """On the tests' server, not the platform's."""

    def __init__(self, server: EmbeddedServer) -> None:
        name = f"zeus_{uuid4().hex[:8]}"
        asyncio.run(server.create_database(name))
        self.url = server.url(name)

    def is_made(self) -> bool:
        return bool(self._ask("SELECT to_regclass('orders_of_user')")[0][0])

    def fill(self, count: int) -> None:
        self._ask(
            old(count, "clock_timestamp() - n * interval '1 minute'", f"generate_series(1, {count}) AS n")
        )

    def ids(self) -> set[str]:
        return {str(row[0]) for row in self._ask("SELECT id FROM orders")}

    def _ask(self, statement: str) -> list[asyncpg.Record]:
        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.url)
            try:
                return await connection.fetch(statement)
            finally:
                await connection.close()

        return asyncio.run(ask())


class MariadbZeus:
    """On a server of the tests' own."""

    def __init__(self, server: MariadbServer) -> None:
        self._server, self._name = server, server.create_database("zeus")
        self.url = server.url(self._name)

    def is_made(self) -> bool:
        return bool(self._ask("SHOW TABLES LIKE 'orders'"))

    def fill(self, count: int) -> None:
        numbers = f"(SELECT seq AS n FROM seq_1_to_{count}) AS numbers"
        self._ask(old(count, "utc_timestamp(6) - INTERVAL n MINUTE", numbers))

    def ids(self) -> set[str]:
        return {str(row[0]) for row in self._ask("SELECT id FROM orders")}

    def _ask(self, statement: str) -> tuple[tuple[object, ...], ...]:
        with self._server.connect(self._name) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()


def old(count: int, moment: str, numbers: str) -> str:
    return OLD.format(apart=max(20, count // OPEN_MAX), moment=moment, numbers=numbers)


class Walked(NamedTuple):
    """What came of it."""

    printed: str
    seen: dict[str, int]
    """By the traffic."""
    in_table: set[str]
    """Old ids that the old table has in the end."""
    answered: set[str]
    """Old ids that Tiffin answers in the end."""


def walk(database: OldDatabase, old_orders: int) -> Walked:
    """Run the page."""
    with databases.directory() as directory, TiffinProcess(directory) as platform:
        environment = {
            **platform.environment, "COLUMNS": "110", "ZEUS": str(ZEUS), "ZEUS_DATABASE": database.url,
            "TIFFIN_URL": platform.url, "PYTHONPATH": os.pathsep.join(sys.path), "PS4": "$ ",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }  # fmt: skip
        first, _, rest = commands().partition("\n")
        run(first, directory, environment)
        key = (directory / "zeus.key").read_text().strip()
        zeus = Zeus(database.url, directory, {**environment, "TIFFIN_KEY": key})
        try:
            until_s = time.monotonic() + DEADLINE_S
            while not database.is_made():
                assert time.monotonic() < until_s, "Zeus has not come up"
                time.sleep(0.05)
            database.fill(old_orders)
            zeus.begin_traffic(environment)
            printed = run(rest, directory, environment)
            seen = zeus.end_traffic()
            given = old_orders + 2 * seen["requests"]  # whatever number Zeus can have given an order
            answered = set(answers(platform, map(str, range(1, given + 1))))
            return Walked(printed, seen, database.ids(), answered)
        finally:
            zeus.end()


def answers(platform: TiffinProcess, legacy_ids: Iterable[str]) -> Iterable[str]:
    """Those of these old ids that Tiffin answers."""
    headers = {
        "Authorization": f"Bearer {platform.mint('operator', 'ops')}", "Content-Type": "application/json",
    }  # fmt: skip
    left = iter(legacy_ids)
    while some := list(islice(left, IDS_A_CALL)):
        body = json.dumps({"legacy_ids": some}).encode()
        request = urllib.request.Request(f"{platform.url}/v1/legacy/zeus/lookup", body, headers)
        with urllib.request.urlopen(request) as response:
            yield from (each["legacy_id"] for each in json.load(response)["orders"])


def run(script: str, directory: Path, environment: dict[str, str]) -> str:
    """What it prints, which is shown meanwhile, with the time."""
    began_s = time.monotonic()
    printed: list[str] = []
    with subprocess.Popen(
        ["bash", "-ex"], env=environment, cwd=directory, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as bash:  # fmt: skip
        assert bash.stdin is not None
        assert bash.stdout is not None
        try:
            bash.stdin.write(script + "\nwait\n")
            bash.stdin.close()
            for line in bash.stdout:
                print(f"{time.monotonic() - began_s:7.1f}  {line}", end="", flush=True)
                printed.append(line)
            bash.wait()
        finally:
            with suppress(ProcessLookupError):  # who follows lives on where a command has failed
                os.killpg(bash.pid, signal.SIGKILL)
    assert bash.returncode == 0, "".join(printed)
    return "".join(printed)


def check(walked: Walked, old_orders: int) -> None:
    """Nobody has noticed, nothing is lost, both sides agreed, every old id is answered, pauses were told."""
    seen = walked.seen
    assert (seen["errors"], seen["lost"]) == (0, 0), seen
    assert seen["placed"] > 0
    assert len(walked.in_table) >= old_orders
    assert walked.in_table <= walked.answered
    assert len(walked.answered) == old_orders + seen["placed"]
    clean = re.findall(r"^[\d,]+ rows compared: no difference\.", walked.printed, re.MULTILINE)
    assert len(clean) == commands().count("tiffin migrate compare")
    pauses = re.findall(r"Writers waited for (\d+) ms", walked.printed)
    assert len(pauses) == commands().count("tiffin migrate authority")
    print(f"pauses {', '.join(pauses)} ms; {len(walked.answered):,} old ids answered; traffic: {seen}")


@pytest.mark.timeout(900)
def test_the_page_migrates_zeus_and_nobody_notices(server: EmbeddedServer) -> None:
    check(walk(PostgresqlZeus(server), OLD_ORDERS), OLD_ORDERS)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_page_migrates_a_zeus_on_mariadb_and_nobody_notices(mariadb: MariadbServer) -> None:
    check(walk(MariadbZeus(mariadb), OLD_ORDERS), OLD_ORDERS)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_million_orders_go_the_way_of_the_page(server: EmbeddedServer) -> None:
    check(walk(PostgresqlZeus(server), 1_000_000), 1_000_000)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_200_000_orders_of_a_mariadb_go_the_way_of_the_page(mariadb: MariadbServer) -> None:
    check(walk(MariadbZeus(mariadb), 200_000), 200_000)
