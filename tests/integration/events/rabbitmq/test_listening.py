"""The example of docs/listening.md, as it stands there, hears what happens."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from event_effects import eventually
from rabbitmq_broker import Broker
from rabbitmq_transport import RabbitMqTransport, asking, drop_queue
from tiffin.rpc import contracts as c
from tiffin.storage.node import Node

PAGE = Path(__file__).parents[4] / "docs" / "listening.md"
QUEUE = "kitchen-display"
DEADLINE_S = 60.0
STATES = ("awaiting_acceptance", "preparing", "ready", "delivering", "delivered", "completed")


def example() -> str:
    """The program."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, "the page has no example any more"
    return found[1]


@contextmanager
def listener(directory: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program in a process of its own; killed in the end."""
    with (directory / "output").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", example()], cwd=directory, env={**os.environ, "AMQP_URL": url},
            stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def happen(log: Node, order_id: str, first: int, last: int) -> None:
    """Things happen to an order."""
    for version in range(first, last + 1):
        told = c.OrderEvent(
            order_id=order_id, version=version, type="order.accepted", to_state=STATES[version - 1],
            actor=c.Caller(role="restaurant", id="r"), at="2026-06-01T12:00:00.000Z", request_id="r",
            customer_id="ana", restaurant_id="r",
        )  # fmt: skip
        await log.execute(
            "INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)"
            " VALUES ('customer', 0, 'order', $1, $2, $3, $4, now(), 'r')",
            order_id, version, told.type, msgspec.json.encode(told).decode(),
        )  # fmt: skip


async def known(
    directory: Path, wanted: dict[str, tuple[int, str]], process: subprocess.Popen[bytes]
) -> None:
    """Wait until the listener's table is that."""
    until = time.monotonic() + DEADLINE_S
    found: dict[str, tuple[int, str]] = {}
    while found != wanted:
        output = (directory / "output").read_text()
        assert process.poll() is None, output
        assert time.monotonic() < until, (found, output)
        await asyncio.sleep(0.05)
        if "order/" in output:
            with closing(sqlite3.connect(directory / "orders.db")) as orders:
                found = {
                    id_: (version, state) for id_, version, state in orders.execute("SELECT * FROM orders")
                }


async def printed(directory: Path, line: str) -> bool:
    """Whether the listener has said so."""
    return line in (directory / "output").read_text()


async def test_the_pages_example_hears_everything_though_it_is_killed(
    carrying: RabbitMqTransport, log: Node, broker: Broker, tmp_path: Path
) -> None:
    await happen(log, "1074125991", 1, 2)
    try:
        async with carrying.relaying():
            with listener(tmp_path, broker.url()) as process:
                await known(tmp_path, {"1074125991": (2, "preparing")}, process)
            await happen(log, "1074125991", 3, 4)
            await happen(log, "1074125992", 1, 1)
            with listener(tmp_path, broker.url()) as process:
                wanted = {"1074125991": (4, "delivering"), "1074125992": (1, "awaiting_acceptance")}
                await known(tmp_path, wanted, process)
                await eventually(lambda: printed(tmp_path, "order/1074125991/4 delivering"))
    finally:
        async with asking(broker.url()) as connection:
            await drop_queue(connection, QUEUE)
